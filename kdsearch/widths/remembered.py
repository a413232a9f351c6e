"""Numbers that a module remembers, and which sizes of the net each of them may stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from kdsearch.widths.layers import Attribute

_DERIVED = 48  # how many explanations of a remembered number a module may have, beside that it is a size itself
_MOST_TIMES = 64

Seen = Mapping[str, Mapping[tuple[int, int], Tensor]]
Splits = Mapping[str, Mapping[tuple[int, ...], tuple[Tensor | None, ...]]]
KeyOf = Callable[[Tensor], bytes | None]
"""What tells two vectors of units apart; None for one that no gene changes."""


def explain_sizes(net: nn.Module, module: str, seen: Seen, key_of: KeyOf) -> list[Attribute]:
    """For each number in a module, the vectors of croppable units that it and its inner modules handle of that size."""
    by_size = _handled(module, seen, key_of)
    return [
        Attribute(module, name, units, 1, position)
        for name, position, number in _remembered(net, module)
        for units in by_size.get(number, {}).values()
    ]


def explain_derived(net: nn.Module, module: str, seen: Seen, key_of: KeyOf) -> list[Attribute]:
    """Numbers as where a piece begins, as a sum of two sizes, a multiple or a fraction of one."""
    by_size = _handled(module, seen, key_of)
    vectors = [units for same in by_size.values() for units in same.values()]
    found = []
    for name, position, number in _remembered(net, module):
        known = set(by_size.get(number, {}))
        for units, divisor in _derived(number, vectors):
            key = key_of(units)
            if key is not None and (divisor > 1 or key not in known):
                known |= {key} if divisor == 1 else set()
                found.append(Attribute(module, name, units, divisor, position))
    return found[:_DERIVED]


def explain_splits(net: nn.Module, module: str, splits: Splits) -> list[list[Attribute]]:
    """The sizes into which a module splits channels, where it remembers them in a list or one by one."""
    held = net.get_submodule(module).__dict__
    found = []
    for sizes, pieces in splits.get(module, {}).items():
        places = [(at, units) for at, units in enumerate(pieces) if units is not None]
        lists = [name for name, value in held.items() if _is_list(value) and tuple(value) == sizes]
        found += [[Attribute(module, name, units, 1, at) for at, units in places] for name in lists]
        numbers = [(name, number) for name, at, number in _remembered(net, module) if at is None]
        equal = [(name, units) for at, units in places for name, number in numbers if number == sizes[at]]
        found.append([Attribute(module, name, units) for name, units in equal])
    return found


def _derived(number: int, vectors: Sequence[Tensor]) -> Iterator[tuple[Tensor, int]]:
    """Vectors of units and divisors that give the number."""
    for units in vectors:
        if len(units) > number:
            yield units[:number], 1
    for first, second in combinations(vectors, 2):
        if len(first) + len(second) == number:
            yield torch.cat((first, second)), 1
    for units in vectors:
        if number > len(units) and number % len(units) == 0 and number // len(units) <= _MOST_TIMES:
            yield units.repeat(number // len(units)), 1
        if number < len(units) and len(units) % number == 0:
            yield units, len(units) // number


def _handled(module: str, seen: Seen, key_of: KeyOf) -> dict[int, dict[bytes, Tensor]]:
    """The croppable vectors of units that a module handles and then its inner ones, by size."""
    inner = [name for name in seen if name != module and name.startswith(f"{module}." if module else "")]
    by_size: dict[int, dict[bytes, Tensor]] = {}
    for units in (units for name in (module, *inner) for units in seen.get(name, {}).values()):
        key = key_of(units)
        if key is not None:
            by_size.setdefault(units.numel(), {}).setdefault(key, units.reshape(-1))
    return by_size


def _remembered(net: nn.Module, module: str) -> list[tuple[str, int | None, int]]:
    """The numbers above 1 in a module's attributes, each with its position in a tuple or list."""
    held = net.get_submodule(module).__dict__
    return [(name, position, number) for name, value in held.items() for position, number in _numbers(value)]


def _numbers(value: object) -> list[tuple[int | None, int]]:
    if isinstance(value, bool):
        return []
    if isinstance(value, int):
        return [(None, value)] if value > 1 else []
    return [(at, item) for at, item in enumerate(value) if item > 1] if _is_list(value) else []


def _is_list(value: Any) -> TypeGuard[Sequence[int]]:
    return isinstance(value, tuple | list) and all(isinstance(item, int) for item in value)
