"""What workers that do not see the driver's disk are handed of it, and how they find it there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch.spec.exported_file import MANIFEST
from kdsearch.spec.study_spec import StudySpec, files_named, loads
from kdsearch.spec.teacher_card import find_card, read_card, to_yaml
from kdsearch.spec.yaml import dotted

if TYPE_CHECKING:
    from kdsearch.context import Context
    from kdsearch.study.planning import Study

_PREPARED, _ANSWERS, _WEIGHTS, _CARD = "prepared", "stored answers", "teacher weights", "teacher.card"
_FILE, _MANIFEST = "teacher.file", "teacher manifest"
_BANK, _NAMED_BANK = "generated images", "task.bank"
_TEST = ("task", "test")  # which the driver alone reads, at the end


def shared_files(study: Study) -> dict[str, Path]:
    """All files and folders that a worker reads: what the study names, the teacher's answers, what was prepared.

    A file of the study is named by its key and its own name, such as ``task.npz/faces.npz``. Real test images of
    a study of generated ones are no worker's business.
    """
    from kdsearch.data.stored_bank import find_bank

    spec, ctx = study.spec, study.ctx
    files = {f"{dotted(key)}/{path.name}": path for key, path in files_named(spec) if key[:2] != _TEST}
    files |= {name: find_bank(path) for name, path in files.items() if name.startswith(f"{_NAMED_BANK}/")}
    card, answering = (None, None) if spec.teacher is None else (spec.teacher.card, spec.teacher.file)
    if card is not None and (weights := read_card(find_card(card)).weights) is not None:
        files[f"{_WEIGHTS}/{weights.name}"] = weights
    if answering is not None and (beside := answering.with_name(MANIFEST)).is_file():
        files[f"{_MANIFEST}/{MANIFEST}"] = beside
    for strategy in (study.strategy, study.finish):
        files |= {f"{_ANSWERS}/{place.name}": place for place in strategy.stored_answers(ctx)}
    made = {_BANK: ctx.paths.bank} if spec.task.generates else {}
    return files | made | {_PREPARED: ctx.paths.prepared}


def shared_bank(places: Mapping[str, Path]) -> Path | None:
    """Where the bank that the study's driver made lies for this worker; None where the study has images of its own."""
    return places.get(_BANK)


def moved_spec(spec_json: str, places: Mapping[str, Path], scratch: Path) -> StudySpec:
    """The study with its paths where this worker finds them; ``scratch``: a folder of the worker's own."""
    content = json.loads(spec_json)
    for key, _ in _texts_in(content):
        place = _find(places, dotted(key))
        if place is not None and dotted(key) == _CARD:
            place = _move_card(place, _find(places, _WEIGHTS), scratch)
        if place is not None and dotted(key) == _FILE:
            place = _move_file(place, _find(places, _MANIFEST), scratch)
        if place is not None:
            _set(content, key, str(place))
    return loads(json.dumps(content))


def moved_context(ctx: Context, places: Mapping[str, Path]) -> Context:
    """The context with what was prepared, and the teacher's stored answers, where this worker finds them."""
    paths = replace(ctx.paths, prepared_in=places[_PREPARED])
    teaching, answers = ctx.teaching, _find(places, _ANSWERS)
    if teaching is not None and answers is not None:
        teaching = replace(teaching, folder=answers.parent)
    return replace(ctx, paths=paths, teaching=teaching)


def _find(places: Mapping[str, Path], kind: str) -> Path | None:
    """Where the first file of the kind lies; None where none was shared."""
    return next((path for name, path in places.items() if name.startswith(f"{kind}/")), None)


def _texts_in(value: Any, key: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], str]]:
    """Every text in a study's JSON, with its key."""
    if isinstance(value, str):
        return [(key, value)]
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, inner in items for found in _texts_in(inner, (*key, name))]


def _set(content: Any, key: tuple[str | int, ...], text: str) -> None:
    for part in key[:-1]:
        content = content[part]
    content[key[-1]] = text


def _move_card(card: Path, weights: Path | None, scratch: Path) -> Path:
    """The card with its weights beside it, as a card has them."""
    path = scratch / card.name
    path.write_text(to_yaml(read_card(card)), encoding="utf-8")
    if weights is not None:
        (scratch / weights.name).symlink_to(weights)
    return path


def _move_file(file: Path, manifest: Path | None, scratch: Path) -> Path:
    """The file with its manifest beside it, if it has one there."""
    if manifest is None:
        return file
    for each in (file, manifest):
        (scratch / each.name).symlink_to(each)
    return scratch / file.name
