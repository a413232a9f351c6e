"""The directory of a teacher's training: what tells it from a study's run, and how far it is; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kdsearch.errors import SpecError, StoreError
from kdsearch.records import RunPaths
from kdsearch.rundir.runlog import read_failure
from kdsearch.rundir.shapes import RECORD, read_shaped
from kdsearch.rundir.store import find_driver
from kdsearch.spec.metric import ACCURACY, Metric
from kdsearch.spec.teacher_card import NetOptions, read_card

ASKED, CARD = "asked.json", "card.yaml"
_NET: TypeAdapter[NetOptions] = TypeAdapter(NetOptions)


@dataclass(frozen=True, slots=True)
class TeachRun:
    """``state``: running, done, failed or unfinished; ``figure``: on the test images, of one that is done.

    ``metric``: what that figure is; accuracy until then.
    """

    state: str
    net: str
    figure: float | None = None
    reason: str = ""
    metric: Metric = ACCURACY


def is_teach_run(path: Path) -> bool:
    """Whether a teacher is trained there, was, or was made of a checkpoint."""
    return (path / ASKED).is_file() or (path / CARD).is_file()


def read_teach_run(path: Path) -> TeachRun:
    """How far it is.

    Raises:
        StoreError: a file of it is damaged.
    """
    reason = read_failure(RunPaths(path))
    if (path / CARD).is_file():
        try:
            card = read_card(path / CARD)
        except SpecError as error:
            raise StoreError(str(error).splitlines()[0]) from None
        return TeachRun("done", card.net.made_of().label, card.metrics.get(card.metric.name), metric=card.metric)
    state = "running" if find_driver(RunPaths(path)) else "failed" if reason else "unfinished"
    return TeachRun(state, _read_net(path), reason=reason)


def _read_net(path: Path) -> str:
    asked: Mapping[str, Any] = read_shaped(path / ASKED, RECORD, "remove the directory and teach again")
    try:
        return _NET.validate_python(asked.get("net")).made_of().label
    except ValidationError:
        raise StoreError(f"{path / ASKED}: damaged (net); remove the directory and teach again") from None
