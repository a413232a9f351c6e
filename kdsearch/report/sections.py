"""The end of the page: files, where winners came from, and what to type; no torch here."""

from __future__ import annotations

from dataclasses import dataclass

from kdsearch.report.lineage import say_ranking, say_teacher, trace_origin
from kdsearch.report.page import Link, Section, Table
from kdsearch.report.run import Net, Run
from kdsearch.report.table import order_nets
from kdsearch.report.words import say_duration, say_score


@dataclass(frozen=True, slots=True)
class Chain:
    """How a winner was bred: ``said`` in a sentence, then trial by trial back to its first ancestor."""

    said: str
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Lineage: how each winner was bred, from which data, teacher, seed and versions."""

    chains: tuple[Chain, ...]
    facts: tuple[tuple[str, str], ...]


def show_files(run: Run) -> Section:
    """The exported files, with their largest difference from the eager net."""
    rows = tuple(
        (net.id, name, Link(path), _say_parity(net.parity.get(name)))
        for net in order_nets(run.nets)
        for name, path in net.files.items()
    )
    if not rows:
        return Section("Files", ("Nothing has been exported yet.",))
    heads = ("net", "format", "file", "largest difference from the eager net")
    return Section("Files", tables=(Table(heads, rows),))


def _say_parity(gap: float | None) -> str:
    return "–" if gap is None else f"{gap:.1e}"


def show_origin(run: Run) -> Origin:
    """Where the winners came from."""
    winners = [winner for budget in run.budget_numbers if (winner := run.find("winner", budget)) is not None]
    facts = (
        ("net", run.net),
        ("teacher", say_teacher(run)),
        ("data", run.data),
        ("data hash", run.digest),
        ("seed", str(run.seed)),
        ("versions", ", ".join(f"{name} {version}" for name, version in run.versions.items())),
        ("time", ", ".join(f"{phase} {say_duration(value)}" for phase, value in run.seconds.items())),
        ("trials", f"{run.trials:,} ({run.failed} failed)"),
        ("ranked by", say_ranking(run)),
    )
    return Origin(
        tuple(_show_chain(run, winner) for winner in winners), tuple((key, said or "–") for key, said in facts)
    )


def _show_chain(run: Run, winner: Net) -> Chain:
    steps = trace_origin(run, winner.candidate)
    if not steps:
        return Chain(f"{winner.id}: {winner.origin or 'its trial is not in the ledger'}.")
    said = (f"trial {step.number}: {step.origin}, {say_score(step.outcome, run.score)}" for step in steps)
    return Chain(f"{winner.id}, from the winner back to its first ancestor:", tuple(said))
