"""A study that takes seconds, for tests of whole runs, and what of a run must not depend on kills and clocks."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kdsearch.records import RunPaths
from kdsearch.rundir.ledger import read_outcomes
from kdsearch.spec.study_spec import StudySpec, load_spec
from tests.forked import fork

SETS = (
    "name=tiny",
    "student={net: resnet8, width: 0.5, divisor: 1}",
    "limits={macs: 50%}",
    "task={name: classification, dataset: mnist5k, train_images: 200}",
    "search={name: evolution, population: 4, parents: 2, mutation: 2, crossover: 2}",
    "strategy={name: metapruning, epochs: 2, pretrain_epochs: 1, batch_size: 50, check_genes: 2}",
    "budget={trials: 10, max_failures: 2}",
    "finish={name: scratch, epochs: 1, batch_size: 50, finalists: 2, finalist_epochs: 1}",
    "export=[]",
    "keep=all",
)
UNTIMED = {"seconds", "epoch_seconds", "latency_ms", "latency", "run_dir", "commands", "cached"}


def tiny_spec(*sets: str) -> StudySpec:
    return load_spec("quickstart", (*SETS, *sets))


def untimed(value: Any) -> Any:
    """The value without what a clock or a place on the disk says, and what was read instead of done."""
    if isinstance(value, Mapping):
        return {key: untimed(inner) for key, inner in value.items() if key not in UNTIMED}
    return [untimed(inner) for inner in value] if isinstance(value, list | tuple) else value


def outcomes_of(run_dir: Path) -> list[tuple[Any, ...]]:
    """Every line of the ledger, seconds left out."""
    return [(o.number, o.candidate, o.state, dict(o.metrics), dict(o.costs)) for o in read_outcomes(RunPaths(run_dir))]


def weights_of(run_dir: Path) -> dict[str, bytes]:
    """Every file of trained weights."""
    return {str(path.relative_to(run_dir)): path.read_bytes() for path in _weights(run_dir)}


def _weights(run_dir: Path) -> Iterator[Path]:
    yield from sorted(run_dir.rglob("*.safetensors"))


def kill_in(phase: str, *words: str, folder: Path) -> None:
    """Starts the command and sends SIGKILL once it reports a step of the phase."""
    with fork(*words, folder=folder) as driver:
        for line in driver.stderr:
            if line.startswith(f"{phase} "):
                break
        driver.send_signal(signal.SIGKILL)
    assert driver.returncode == -signal.SIGKILL
