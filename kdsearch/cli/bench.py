"""bench: runs a measuring suite of ``kdsearch.bench``."""

from __future__ import annotations

import argparse
import importlib
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kdsearch.cli.output import remark, say, say_json
from kdsearch.errors import SpecError
from kdsearch.spec.errors import unknown
from kdsearch.spec.yaml import read_yaml

_OWN = ("on_row", "chosen")  # for tests and for this file; not values that a command line can hold


def bench(given: argparse.Namespace) -> int:
    """Prints what the suite measured, row by row and then whole."""
    from kdsearch.cost.machine import describe_machine
    from kdsearch.memory import keep_freed_memory
    from kdsearch.study.summary import versions

    keep_freed_memory()  # as a run does
    run: Callable[..., dict[str, Any]] = importlib.import_module(f"kdsearch.bench.{given.suite}").run
    values = read_options(run, given.sets)
    tell = remark if given.json else say
    if "on_row" in inspect.signature(run).parameters:
        values["on_row"] = lambda row: tell(_line(row))
    measured = {"suite": given.suite, "machine": describe_machine(), "versions": versions()} | run(**values)
    if given.json:
        say_json(measured)
        return 0
    for key, value in measured.items():
        if not isinstance(value, list | dict):
            say(f"{key}: {value}")
        elif isinstance(value, list) and "on_row" not in values:
            for row in value:
                say(_line(row))
    return 0


def read_options(run: Callable[..., Any], sets: Sequence[str]) -> dict[str, Any]:
    """The keyword arguments of ``run`` that ``NAME=VALUE`` texts give.

    Raises:
        SpecError: an unknown name, or a value of the wrong kind.
    """
    kinds = typing.get_type_hints(run)
    names = [name for name in inspect.signature(run).parameters if name not in _OWN]
    values: dict[str, Any] = {}
    for text in sets:
        name, _, value = text.partition("=")
        if name not in names:
            raise SpecError(f"--set {text}: {unknown('option', name, names)}")
        written = read_yaml(value, f"--set {text}", numbered=False).data
        try:
            values[name] = TypeAdapter(kinds[name]).validate_python(written)
        except ValidationError as error:
            raise SpecError(f"--set {text}: {error.errors()[0]['msg'].lower()}") from None
    return values


def _line(row: Any) -> str:
    if not isinstance(row, Mapping):
        return str(row)
    shown = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()}
    return "  ".join(f"{key} {value}" for key, value in shown.items())
