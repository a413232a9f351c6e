"""A run's student as a module with its trained weights, for a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch.candidates.space import Candidate
from kdsearch.errors import SpecError
from kdsearch.records import RunPaths
from kdsearch.rundir.store import open_run, read_spec, read_summary
from kdsearch.spec.errors import unknown
from kdsearch.spec.sections import GIVEN
from kdsearch.study.finishing import training_name

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.spec.study_spec import StudySpec


def load_student(
    run_dir: str | Path, student: str | None = None, *, pixels: bool = False, net: nn.Module | None = None
) -> nn.Module:
    """The first winner of a finished run, or the student of that id, in evaluation mode on the CPU.

    It reads images as the study's net does, float32 BCHW of ``(pixels / 255 - mean) / std`` with the ``mean`` and
    ``std`` in summary.json under ``task.input``; ``pixels``: one that reads pixels in 0..1 instead and normalises them
    itself, as exported files do. ``net``: the module that the run was given, where its study says ``student: {net:
    given}``. Neither the data nor a checkpoint that the study names need be there any more.

    Raises:
        StoreError: it is no run directory, or the run has no summary yet.
        SpecError: there is no such student, its weights are gone, or ``net`` is missing.
    """
    from kdsearch.cost.deployed import Deployed
    from kdsearch.widths.finding import find_widths

    paths = open_run(Path(run_dir))
    spec, summary = read_spec(paths), read_summary(paths)
    row, about = _choose(summary, student, paths), summary["task"]["input"]
    if spec.compress:
        raise SpecError(
            f"{paths.root}: its students went through compress: {spec.compress[0].name}, which needs the study's data; "
            "load the exported file instead: torch.jit.load(run / 'students/winner/model.pt')"
        )
    full = _make_full(spec, summary, net, paths)
    candidate = Candidate.of(row["candidate"])
    built = find_widths(full, tuple(about["shape"]), spec.student).build(candidate).cpu()
    _fill(built, _find_weights(paths, row, candidate))
    return Deployed(built, about["mean"], about["std"]) if pixels else built.eval()


def _choose(summary: Mapping[str, Any], wanted: str | None, paths: RunPaths) -> Mapping[str, Any]:
    rows = {str(row["id"]): row for row in summary.get("students", ())}
    name = wanted or next((key for key, row in rows.items() if row["role"] == "winner"), "")
    if name not in rows:
        raise SpecError(f"{paths.root}: {unknown('student', name, list(rows))}")
    found: Mapping[str, Any] = rows[name]
    return found


def _make_full(spec: StudySpec, summary: Mapping[str, Any], net: nn.Module | None, paths: RunPaths) -> nn.Module:
    import copy

    from kdsearch.models.pretrained import match_input
    from kdsearch.models.zoo import make_net

    if spec.student.net == GIVEN:
        if net is None:
            raise SpecError(f"{paths.root}: this run's net was passed from Python; pass it again as net=")
        return copy.deepcopy(net).cpu()
    channels, side, _ = summary["task"]["input"]["shape"]
    # the weights that it started from would be overwritten by those of the student
    options = spec.student.model_copy(update={"weights": None, "pretrained": False})
    classes = len(summary["task"]["classes"])
    made = make_net(options, num_classes=classes, in_channels=channels, image_size=side, seed=spec.seed)
    match_input(made, spec.student)
    return made


def _find_weights(paths: RunPaths, row: Mapping[str, Any], candidate: Candidate) -> Path:
    exported = row.get("files", {}).get("weights")
    lineage = row["lineage"]
    name = f"{training_name(candidate, lineage.get('start', 'scratch'), lineage['exported_seed'])}.safetensors"
    tried = [*([paths.root / exported] if exported else ()), paths.checkpoints / "finish" / name]
    for path in tried:
        if path.is_file():
            return path
    raise SpecError(
        f"{paths.root}: the weights of {row['id']} are not there any more ({tried[0]}); name another student"
    )


def _fill(net: nn.Module, path: Path) -> None:
    from kdsearch.weights import load_weights

    try:
        net.load_state_dict(load_weights(path))
    except RuntimeError as error:
        raise SpecError(
            f"{path}: is not of this student: {str(error).splitlines()[-1].strip()}; export it again"
        ) from None
