"""What scoring a candidate costs against bare forward passes, and what the search around it adds."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kdsearch.candidates.repair import draw_for
from kdsearch.candidates.space import Candidate, SearchSpace, Window
from kdsearch.cost.threads import torch_threads
from kdsearch.data.augment import normalise
from kdsearch.data.images import ImageSet
from kdsearch.files import cache_dir, make_cache_folder
from kdsearch.measures.evaluation import chunk_size
from kdsearch.models.zoo import make_net
from kdsearch.progress import Progress
from kdsearch.pruningnet.generators import Generator
from kdsearch.pruningnet.making import make_generator
from kdsearch.pruningnet.scoring import calibrated_tensors, score_net
from kdsearch.records import RunPaths
from kdsearch.rundir.ledger import read_outcomes
from kdsearch.spec.sections import StudentOptions
from kdsearch.spec.study_spec import load_spec
from kdsearch.strategies.metapruning import MetaPruning
from kdsearch.study.run import run_study
from kdsearch.tasks.classification import Classification
from kdsearch.widths.finding import find_widths
from kdsearch.widths.space import WidthSpace

_TARGET = 1.10
_OVERHEAD_TARGET_MS = 10.0
_SHARE = 0.25  # the budget that genes are drawn for, as a share of the full net's MACs
_STATISTICS = ((0.5,) * 3, (0.25,) * 3)
_GENERATOR = MetaPruning.Options().generator
_BATCH = MetaPruning.Options().batch_size
_SEARCH = (
    "task={name: classification, dataset: mnist5k, train_images: 256}",
    "strategy={name: metapruning, epochs: 1, pretrain_epochs: 1, check_genes: 0, calibration_images: 64}",
    "finish={name: scratch, epochs: 1, controls: {uniform: false, full: false}}",
)


@dataclass(frozen=True, slots=True)
class Case:
    """A net at 32 pixels, and how many images a candidate's score takes: by default what the shipped studies take."""

    student: StudentOptions
    calibration: int = MetaPruning.Options().calibration_images
    validation: int = 500


def cases() -> tuple[Case, ...]:
    """A net of many thin layers, one of a few, and one of wide ones."""
    return (
        Case(StudentOptions(timm="mobilenetv2_100", stem_stride=1)),
        Case(StudentOptions(net="resnet20")),
        Case(StudentOptions(net="vgg11_bn_cifar")),
    )


def run(
    *,
    genes: int = 9,
    trials: int = 100,
    chosen: Sequence[Case] | None = None,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """``ratio``: scoring (weights, calibration, validation) over bare forward passes of the compact net; the worst net.

    Both see the same images in the same batches and memory layout and take turns over ``genes`` random genes at a
    quarter of the MACs; a net's ratio is the median over genes, in the thread's processor time on a CPU.
    ``overhead_ms``: wall time a candidate that a search, its journal on the disk, spends outside scoring; the median
    of ``trials``.
    """
    rows = []
    with torch_threads(1):
        for case in cases() if chosen is None else chosen:
            row = _Pair.of(case).measure(genes)
            rows.append(row)
            if on_row is not None:
                on_row(row)
        overhead = measure_overhead(trials)
    return {
        "suite": "score",
        "threads": 1,
        "cases": rows,
        "ratio": max(row["ratio"] for row in rows),
        "target": _TARGET,
        "overhead_ms": round(overhead, 2),
        "overhead_target_ms": _OVERHEAD_TARGET_MS,
    }


def measure_overhead(trials: int) -> float:
    """Milliseconds a candidate of asking, submitting, ledger and telling: a real search less its scoring, the median.

    The run lies in the cache directory and is deleted afterwards.
    """
    spec = load_spec("quickstart", (*_SEARCH, f"budget={{trials: {trials}}}"))
    folder = cache_dir()
    make_cache_folder(folder)
    moments: list[float] = []

    def watch(progress: Progress) -> None:
        if progress.phase == "search":
            moments.append(time.monotonic())  # told once as the search starts, and after each candidate

    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        run_study(spec, Path(fresh, "run"), watch)
        outcomes = read_outcomes(RunPaths(Path(fresh, "run")))
    passed = [after - before for before, after in pairwise(moments)]
    return 1e3 * statistics.median(whole - outcome.seconds for whole, outcome in zip(passed, outcomes, strict=True))


@dataclass(frozen=True, slots=True)
class _Pair:
    """A net twice, so that bare forward passes do not fill what scoring remembers, and the images."""

    case: Case
    net: nn.Module
    widths: WidthSpace
    generator: Generator
    bare: WidthSpace
    calibration: tuple[Tensor, ...]
    validation: ImageSet

    @classmethod
    def of(cls, case: Case) -> _Pair:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        nets = [make_net(case.student, num_classes=10, in_channels=3, image_size=32).to(device) for _ in range(2)]
        widths, bare = (find_widths(net, (3, 32, 32), case.student) for net in nets)
        random = torch.Generator().manual_seed(0)
        pixels = torch.randint(
            256, (case.calibration + case.validation, 3, 32, 32), dtype=torch.uint8, generator=random
        ).to(device)
        calibration = normalise(pixels[: case.calibration], *_STATISTICS).split(_BATCH)
        labels = torch.randint(10, (case.validation,), generator=random)
        generator = make_generator(_GENERATOR, nets[0], widths)
        validation = ImageSet(pixels[case.calibration :], labels)
        return cls(case, nets[0], widths, generator, bare, calibration, validation)

    def measure(self, genes: int) -> dict[str, Any]:
        times = [self._times(gene, scored_first=bool(number % 2)) for number, gene in enumerate(self._genes(genes + 1))]
        measured = times[1:]
        bare, scored = (1e3 * statistics.median(column) for column in zip(*measured, strict=True))
        return {
            "net": self.case.student.label,
            "calibration": self.case.calibration,
            "validation": self.case.validation,
            "genes": genes,
            "forward_ms": round(bare, 1),
            "score_ms": round(scored, 1),
            "ratio": round(statistics.median(made / plain for plain, made in measured), 3),
        }

    def _genes(self, count: int) -> list[Candidate]:
        high = _SHARE * self.widths.costs(self.widths.full)["macs"]
        space, windows = SearchSpace(self.widths.parameters()), (Window("macs", 0.95 * high, high),)
        rng = np.random.default_rng(0)
        return [draw_for(space, self.widths.costs, windows, rng) for _ in range(count)]

    def _times(self, gene: Candidate, *, scored_first: bool) -> tuple[float, float]:
        """Seconds of the bare forward passes and of the score."""
        compact = self.bare.build(gene).eval().to(memory_format=torch.channels_last)
        chunk = chunk_size(self.calibration[0].device)
        batches = [*self.calibration, *normalise(self.validation.images_NCHW, *_STATISTICS).split(chunk)]

        def forward() -> None:
            with torch.inference_mode():
                for batch_BCHW in batches:
                    compact(batch_BCHW)

        def score() -> None:
            tensors = calibrated_tensors(self.net, self.widths, gene, self.generator.weights(gene), self.calibration)
            with self.widths.applied(gene, tensors):
                score_net(self.net, self.validation, _STATISTICS, Classification, by=MetaPruning.Options().ranked_by)

        forward()  # whoever comes first would compile the convolutions of these sizes for both
        if scored_first:
            scored, bare = _time(score), _time(forward)
        else:
            bare, scored = _time(forward), _time(score)
        return bare, scored


def _time(work: Callable[[], None]) -> float:
    if not torch.cuda.is_available():
        began = time.thread_time()
        work()
        return time.thread_time() - began
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start
