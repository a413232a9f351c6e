"""Every number that a study may hold is bounded: none hangs a run or eats the memory before it is looked at."""

from __future__ import annotations

import json
import math
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from kdsearch import registry
from kdsearch.errors import SpecError
from kdsearch.spec.limits_sections import Bound
from kdsearch.spec.plugins import Plugin
from kdsearch.spec.reading import sections_in
from kdsearch.spec.reference import list_entries
from kdsearch.spec.sections import Section
from kdsearch.spec.study_spec import StudySpec, load_spec
from kdsearch.spec.teacher_card import Card

ABSURD = (math.nan, math.inf, -math.inf, 1e308, -1e308)
CHECKED_OTHERWISE = {"mean", "std"}  # a validator of their own bounds them, which the page of keys does not show


def kinds_below(kind: type[Section], met: set[type[Section]]) -> Iterator[type[Section]]:
    """The section, those inside it, and the options of every plug-in that it may name."""
    if kind in met:
        return
    met.add(kind)
    yield kind
    for field in kind.model_fields.values():
        for inner in sections_in(field.annotation):
            yield from kinds_below(inner, met)
    if issubclass(kind, Plugin) and getattr(kind, "package", ""):
        for name in registry.available(kind.package):
            yield from kinds_below(registry.find(kind.package, name).Options, met)


def parts(annotation: Any) -> set[Any]:
    """Every plain type that an annotation is made of."""
    inner = typing.get_args(annotation)
    return {each for part in inner for each in parts(part)} if inner else {annotation}


def is_list(annotation: Any) -> bool:
    return typing.get_origin(annotation) is tuple or any(is_list(part) for part in typing.get_args(annotation))


NUMBERS = [
    pytest.param(kind, key, id=f"{kind.__module__.rpartition('.')[2]}.{kind.__qualname__}.{key}")
    for root in (StudySpec, Card)
    for kind in kinds_below(root, set())
    for key, field in kind.model_fields.items()
    if {int, float} & parts(field.annotation) and kind is not Bound
]


def complaints(kind: type[Section], key: str, value: Any) -> list[str]:
    """What is said of the key; of the section's other keys nothing is asked."""
    given = [value] if is_list(kind.model_fields[key].annotation) else value
    try:
        kind.model_validate({key: given})
    except ValidationError as error:
        return [each["msg"] for each in error.errors(include_url=False) if each["loc"][:1] == (key,)]
    return []


def test_numbers_of_every_folder_of_plug_ins_are_looked_at():
    names = {param.values[0].__module__ for param in NUMBERS}
    for module in (
        "searchers.evolution",
        "strategies.metapruning",
        "pruners.median",
        "executors.process",
        "spec.terms",
    ):
        assert f"kdsearch.{module}" in names
    assert len(NUMBERS) > 100


@pytest.mark.parametrize(("kind", "key"), NUMBERS)
def test_what_is_absurd_is_refused_in_a_line(kind, key):
    annotation = kind.model_fields[key].annotation
    whole = float not in parts(annotation)
    for value in (*ABSURD, *((10**12, -(10**12), 2**63, 10**40) if whole else ())):
        said = complaints(kind, key, value)
        assert said, f"{kind.__qualname__}.{key} takes {value!r}"
        assert all(len(line.splitlines()) == 1 for line in said)


def test_every_key_says_how_small_and_how_large_its_number_may_be():
    for entry in list_entries():
        for key, may, _ in entry.rows:
            if "number" in may and key not in CHECKED_OTHERWISE and "such as 300M" not in may:
                assert "<" in may, f"{entry.title}: {key}: {may}"
                assert ">" in may, f"{entry.title}: {key}: {may}"


@pytest.mark.parametrize("cost", ["macs", "parameters", "size_bytes"])
@pytest.mark.parametrize("value", [*ABSURD, 0, -1, 1e19, "200%", "0%", "-5%"])
def test_no_absurd_limit_is_taken(cost, value):
    with pytest.raises(SpecError, match=rf"limits\.{cost}") as caught:
        load_spec("quickstart", (f"limits={{{cost}: {json.dumps(value)}}}",))
    assert len(str(caught.value).splitlines()) == 1


LARGEST = {
    "budget.trials": 10**12,
    "search.population": 10**12,
    "finish.epochs": 10**12,
    "finish.seeds": 10**12,
    "finish.finalists": 10**12,
    "finish.controls.random": 10**12,
    "strategy.epochs": 10**12,
    "strategy.batch_size": 10**12,
    "strategy.calibration_images": 10**12,
    "strategy.check_genes": 10**12,
    "strategy.pretrain_epochs": 10**12,
    "student.width": 1e308,
    "task.train_images": 10**12,
    "task.image_size": 10**12,
    "seed": 10**12,
    "executor.workers": 10**12,
}


@pytest.mark.parametrize("key", LARGEST)
def test_a_study_with_an_absurd_amount_is_refused_by_the_name_of_its_key(key):
    others = ("executor={name: process}",) if key.startswith("executor") else ()
    with pytest.raises(SpecError) as caught:
        load_spec("quickstart", (*others, f"{key}={LARGEST[key]}"))
    assert key in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
