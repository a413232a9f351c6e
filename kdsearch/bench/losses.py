"""What the correlation-congruence loss costs against torchdistill's, and how exact its series is."""

from __future__ import annotations

import importlib.metadata
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from kdsearch.bench.base_torchdistill import GAMMA, ORDER, Loss, torchdistill_loss
from kdsearch.cost.threads import torch_threads
from kdsearch.losses.relations import correlation_loss, correlation_matrix
from kdsearch.losses.rows import unit_rows

_AGREEMENT_TARGET = 1e-5
_ORDERS = (1, 2, 3, 4, 6, 8)
_ROWS = 640  # that one turn works through: a small batch is called so often that the clock can tell


@dataclass(frozen=True, slots=True)
class Case:
    """A batch of embeddings, and how many times faster than torchdistill the loss should be."""

    batch: int
    dim: int
    target: float


def cases() -> tuple[Case, ...]:
    """The batch and width of the paper's CIFAR-100 runs, and its ImageNet batch at the width of a ResNet-18."""
    return (Case(64, 128, 25.0), Case(1024, 512, 8.0))


def run(
    *,
    repeats: int = 15,
    chosen: Sequence[Case] | None = None,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """``cases``: milliseconds of forward and backward for the student's gradient; torchdistill's over ours.

    ``ours_ms`` is kernel rbf_taylor, the series that torchdistill sums; ``rbf_ms`` the exact kernel. All take turns on
    one thread; figures are medians of its processor time over ``repeats`` turns. ``agreement``: the largest difference
    of rbf_taylor's matrix from the series summed number by number; ``series_gap``: of the series up to an order from
    the exact kernel.

    Raises:
        KdsearchError: torchdistill is not installed.
    """
    theirs = torchdistill_loss()
    rows = []
    with torch_threads(1):
        for case in cases() if chosen is None else chosen:
            row = _measure(case, theirs, repeats)
            rows.append(row)
            if on_row is not None:
                on_row(row)
    return {
        "suite": "losses",
        "torchdistill": importlib.metadata.version("torchdistill"),
        "threads": 1,
        "cases": rows,
        "agreement": measure_agreement(),
        "agreement_target": _AGREEMENT_TARGET,
        "series_gap": {str(order): measure_gap(order) for order in _ORDERS},
    }


def measure_agreement() -> float:
    """The largest difference between rbf_taylor's matrix of 64 random rows and its series summed in Python's floats."""
    features_BD = torch.randn(64, 32, generator=torch.Generator().manual_seed(0))
    made = correlation_matrix(features_BD, kernel="rbf_taylor", gamma=GAMMA, order=ORDER).tolist()
    unit = unit_rows(features_BD.double()).tolist()
    products = [[sum(map(float.__mul__, one, other)) for other in unit] for one in unit]
    return max(
        abs(value - _series(product))
        for values, row in zip(made, products, strict=True)
        for value, product in zip(values, row, strict=True)
    )


def measure_gap(order: int) -> float:
    """The largest difference between rbf_taylor up to this order and rbf, over 201 rows on a half circle."""
    angle_B = torch.linspace(0, math.pi, 201, dtype=torch.float64)
    rows_BD = torch.stack((angle_B.cos(), angle_B.sin()), 1)
    series, exact = (
        correlation_matrix(rows_BD, kernel=kernel, gamma=GAMMA, order=order) for kernel in ("rbf_taylor", "rbf")
    )
    return float((series - exact).abs().max())


def _series(product: float) -> float:
    terms = ((2 * GAMMA) ** power / math.factorial(power) * product**power for power in range(ORDER + 1))
    return math.exp(-2 * GAMMA) * sum(terms)


def _measure(case: Case, theirs: Loss, repeats: int) -> dict[str, Any]:
    random = torch.Generator().manual_seed(0)
    student_BD, teacher_BD = (torch.randn(case.batch, case.dim, generator=random) for _ in range(2))
    student_BD.requires_grad_()
    ours = partial(correlation_loss, gamma=GAMMA, order=ORDER)
    rivals = (partial(ours, kernel="rbf_taylor"), partial(ours, kernel="rbf"), theirs)
    calls = max(1, _ROWS // case.batch)
    turns = [[_time(loss, student_BD, teacher_BD, calls) for loss in rivals] for _ in range(repeats + 1)]
    series, exact, other = (1e3 * statistics.median(column) for column in zip(*turns[1:], strict=True))
    return {
        "batch": case.batch,
        "dim": case.dim,
        "ours_ms": round(series, 3),
        "rbf_ms": round(exact, 3),
        "torchdistill_ms": round(other, 3),
        "speedup": round(other / series, 1),
        "target": case.target,
    }


def _time(loss: Loss, student_BD: Tensor, teacher_BD: Tensor, calls: int) -> float:
    """Seconds a call, without those of the first, which meets the caches as the rival left them."""
    began = 0.0
    for call in range(calls + 1):
        if call == 1:
            began = time.thread_time()
        student_BD.grad = None
        loss(student_BD, teacher_BD).backward()
    return (time.thread_time() - began) / calls
