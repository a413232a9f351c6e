"""How many CNNs can be searched as they are: share of MACs that crops reach; agreement of crop, build and export."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kdsearch.bench.base_coverage_nets import Entry, smallest_nets, why_no_cnn
from kdsearch.candidates.space import Candidate
from kdsearch.cost.flops import count_costs
from kdsearch.errors import KdsearchError, WidthError
from kdsearch.tracing.tracer import FOREIGN_ERRORS
from kdsearch.widths.finding import find_widths
from kdsearch.widths.space import WidthSpace

_IMAGES = 4
_CROPPABLE = 0.6  # share of MACs above which a net counts as covered
_EXPORT_TOLERANCE = 1e-4

Row = dict[str, Any]


def run(names: tuple[str, ...] = (), on_row: Callable[[Row], None] | None = None) -> dict[str, Any]:
    """The coverage table. ``names``: only these nets (torchvision's as ``torchvision/NAME``); all by default."""
    return measure_coverage(_entries(names) if names else smallest_nets(), on_row)


def measure_coverage(entries: Iterable[Entry], on_row: Callable[[Row], None] | None = None) -> dict[str, Any]:
    """One row a net (``nets``), what the rule excluded and why (``excluded``), and the ``summary``."""
    rows: list[Row] = []
    excluded: list[Row] = []
    for entry in entries:
        row, is_cnn = measure_net(entry)
        (rows if is_cnn else excluded).append(row)
        if on_row is not None:
            on_row(row)
    return {"suite": "coverage", "nets": rows, "excluded": excluded, "summary": summarise(rows)}


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Counts over the table: ``covered_share`` is the share of nets that are ok with at least 60% of MACs croppable."""
    covered = [row for row in rows if row["status"] == "ok" and row["macs_share"] >= _CROPPABLE]
    return {
        "nets": len(rows),
        "ok": sum(row["status"] == "ok" for row in rows),
        "covered": len(covered),
        "covered_share": len(covered) / max(1, len(rows)),
        "mean_macs_share": fmean(row["macs_share"] or 0.0 for row in rows) if rows else 0.0,
        "parity_failures": sum("differ" in row["reason"] for row in rows),
        "tracebacks": sum(row["reason"].startswith("unexpected") for row in rows),
    }


def measure_net(entry: Entry) -> tuple[Row, bool]:
    """The net's row, and whether it is a CNN at all."""
    row: Row = {"name": entry.name, "source": entry.source, "module": entry.module, "status": "refused"}
    row.update(macs_share=None, groups=0, parity=None, export_parity=None, seconds=0.0, reason="", frozen=[])
    started = time.monotonic()
    is_cnn = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the nets' own, about tracing and deprecated calls
            net = entry.make()
            shape = entry.image_shape(net)
            no_cnn = why_no_cnn(net, shape)
            is_cnn = no_cnn is None
            row["reason"] = no_cnn or ""
            if is_cnn:
                _measure(row, net, shape)
    except KdsearchError as error:
        row["reason"] = str(error)
    except FOREIGN_ERRORS as error:
        row["reason"] = f"unexpected {type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"
    row["seconds"] = round(time.monotonic() - started, 2)
    return row, is_cnn


def _measure(row: Row, net: nn.Module, shape: tuple[int, int, int]) -> None:
    started = time.monotonic()
    widths = find_widths(net, shape)
    row["find_seconds"] = round(time.monotonic() - started, 2)
    row.update(image=list(shape), groups=len(widths.groups), macs_share=round(widths.croppable_share(), 4))
    row["frozen"] = [list(pair) for pair in widths.frozen[:5]]
    if not widths.groups:
        raise WidthError(f"no channel can be cropped: {'; '.join(reason for _, reason in widths.frozen[:2])}")
    gene = random_gene(widths, seed=0)
    images = torch.randn(_IMAGES, *shape, generator=torch.Generator().manual_seed(0))
    compact = widths.build(gene).eval()
    row["parity"] = widths.verify(gene, images)
    _check_costs(widths.costs(gene), compact, shape)
    row["export_parity"] = _export_parity(compact, images)
    row["status"] = "ok"


def random_gene(widths: WidthSpace, seed: int) -> Candidate:
    """A gene with every group's width drawn evenly from its choices."""
    rng = np.random.default_rng(seed)
    return Candidate.of({group.name: int(rng.choice(group.choices)) for group in widths.groups}, "random")


def _check_costs(costs: dict[str, int], compact: nn.Module, shape: Sequence[int]) -> None:
    counted = count_costs(compact, shape)
    if costs != counted:
        raise WidthError(f"costs differ: in closed form {costs}, counted {counted}")


def _export_parity(compact: nn.Module, images: Tensor) -> float:
    """The largest difference of the traced and frozen net from the eager one, relative to max(1, largest output)."""
    traced = torch.jit.freeze(torch.jit.trace(compact, torch.zeros_like(images), check_trace=False))
    with torch.no_grad():
        reference, exported = compact(images), traced(images)
    gap = float((reference - exported).abs().max() / max(1.0, float(reference.abs().max())))
    if not gap <= _EXPORT_TOLERANCE:
        raise WidthError(f"the TorchScript file and the net differ by {gap:.2g} (allowed: {_EXPORT_TOLERANCE:g})")
    return gap


def _entries(names: Sequence[str]) -> Iterable[Entry]:
    for name in names:
        source, _, bare = name.rpartition("/")
        if source == "torchvision":
            yield Entry(bare, "torchvision", bare)
        else:
            yield Entry(bare, "timm", bare)
