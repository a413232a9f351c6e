"""Proving a crop: the cropped net runs, and every channel arrives where the crop says.

The net is traced again on cropped tensors, now with the known units, so that not only sizes but the identity of every
channel is compared. Where the forward uses a size that a module remembers (``self.width``), that number is changed too
if that makes the crop right; a group that still fails keeps its full width and is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np
from torch import Tensor, nn

from kdsearch.errors import WidthError
from kdsearch.tracing.swap import Slots
from kdsearch.tracing.tracer import FOREIGN_ERRORS, Tracer
from kdsearch.tracing.units import Ids, Port
from kdsearch.widths.crop import take
from kdsearch.widths.groups import Grouping
from kdsearch.widths.layers import Attribute, Place
from kdsearch.widths.layout import Layout
from kdsearch.widths.unit_check import UnitCheck

_TRIES = 24
_NEAR = 6
_MOST = 300  # runs, after which nothing is patched any more and whole neighbourhoods are frozen
_END = 1_000_000


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a cropped net failed (modules from the outside in), after how many steps, and why."""

    path: tuple[str, ...]
    steps: int
    reason: str
    groups: frozenset[int] = frozenset()

    @property
    def where(self) -> str:
        """The innermost module that failed."""
        return next((module for module in reversed(self.path) if module), "the net")


@dataclass(slots=True)
class CropProof:
    """Finds the groups that can be cropped and the remembered sizes that must change with them.

    ``crops``: the kept classes that each have to run right. ``own``: sizes that layers remember; ``patches``: further
    ones that were found to matter. ``trains``: training takes another path through the net, which is run as well.
    """

    net: nn.Module
    slots: Slots
    grouping: Grouping
    ports: Mapping[Port, Tensor]
    seen: Mapping[str, Mapping[tuple[int, int], Tensor]]
    splits: Mapping[str, Mapping[tuple[int, ...], tuple[Tensor | None, ...]]]
    tensors: Mapping[str, Tensor]
    image: Tensor
    own: tuple[Attribute, ...]
    crops: tuple[Ids, ...]
    trains: bool = False
    patches: dict[Place, Attribute] = field(default_factory=dict)
    frozen: dict[int, str] = field(default_factory=dict)
    _tried: set[tuple[Place, bytes]] = field(default_factory=set)
    _attempts: int = 0

    @property
    def full(self) -> Ids:
        """All classes of every group."""
        return np.array([len(group.roots) for group in self.grouping.groups], dtype=np.int64)

    @property
    def attributes(self) -> list[Attribute]:
        """All remembered sizes that change with a crop."""
        return [*self.own, *self.patches.values()]

    def settle(self) -> None:
        """Patches or freezes until every crop runs right.

        Raises:
            WidthError: even the full net does not pass the proof.
        """
        if failure := self.attempt(self.full):
            raise WidthError(f"{failure.where} cannot be followed: {failure.reason}")
        is_clean = False
        while not is_clean:
            is_clean = True
            for kept in self.crops:
                while failure := self.attempt(self._allowed(kept)):
                    is_clean = False
                    if not self._patch(failure, kept):
                        self._freeze(failure, kept)

    def attempt(self, kept: Ids, extra: Sequence[Attribute] = ()) -> Failure | None:
        """Runs the crop; where it failed, or None."""
        self._attempts += 1
        patches = self.patches | {attribute.place: attribute for attribute in extra}
        layout = Layout.of(self.net, self.slots, self.grouping, self.ports, [*self.own, *patches.values()])
        crop = layout.decode(kept)
        cropped = {name: take(tensor, crop.index[name]) for name, tensor in self.tensors.items()}
        is_strict = bool((kept > 1).all())
        steps = 0
        for trains in (False, True) if self.trains else (False,):
            tracer = Tracer(self.net, self.slots, UnitCheck(self.grouping, self.ports, kept, is_strict), trains=trains)
            try:
                tracer.run(cropped, self.image, crop.settings)
            except FOREIGN_ERRORS as error:
                return Failure(tracer.failed_in, steps + tracer.steps, _first_line(error), self._near(tracer))
            steps += tracer.steps
        return None

    def _near(self, tracer: Tracer) -> frozenset[int]:
        """The groups whose units the innermost failing module has handled; its parents' if none."""
        for module in reversed(tracer.failed_in or ("",)):
            vectors = list(self.seen.get(module, {}).values())
            vectors += [units for port, units in self.ports.items() if port[0].rpartition(":")[0] == module]
            active = {group for units in vectors for group in self._groups(units)}
            if active:
                return frozenset(active)
        return frozenset()

    def _groups(self, units: Tensor) -> set[int]:
        """The groups that these units belong to and that are not frozen."""
        groups = np.unique(self.grouping.group_of[self.grouping.classes.of(units)])
        return set(groups.tolist()) - {-1} - self.frozen.keys()

    def _allowed(self, kept: Ids) -> Ids:
        kept = np.minimum(kept, self.full)
        for group in self.frozen:
            kept[group] = self.full[group]
        return kept

    def _patch(self, failure: Failure, kept: Ids) -> bool:
        """Changes remembered sizes in a failing module, the innermost that helps, if the net then gets further."""
        for module in list(reversed(failure.path or ("",)))[:_NEAR]:
            candidates = self._candidates(module)
            together = list({attribute.place: attribute for attribute in reversed(candidates)}.values())
            singles = [[candidate] for candidate in candidates[:_TRIES]]
            extras = [*self._split_sizes(module), *[together] * (len(together) > 1), *singles]
            best = self._best(extras if self._attempts < _MOST else [], failure, kept)
            if best:
                self._accept(best)
                alike = self._alike(best)
                if alike and self._best([alike], failure, kept):
                    self._accept(alike)
                return True
        return False

    def _split_sizes(self, module: str) -> list[list[Attribute]]:
        """The sizes into which a module splits channels, where it remembers them in a list or one by one."""
        held = self.net.get_submodule(module).__dict__
        found = []
        for sizes, pieces in self.splits.get(module, {}).items():
            places = [(at, units) for at, units in enumerate(pieces) if units is not None]
            lists = [name for name, value in held.items() if _is_list(value) and tuple(value) == sizes]
            found += [[Attribute(module, name, units, 1, at) for at, units in places] for name in lists]
            numbers = [(name, number) for name, value in held.items() for at, number in _numbers(value) if at is None]
            equal = [(name, units) for at, units in places for name, number in numbers if number == sizes[at]]
            found.append([Attribute(module, name, units) for name, units in equal])
        return [extra for extra in found if any((a.place, _bytes(a)) not in self._tried for a in extra)]

    def _best(self, extras: Sequence[Sequence[Attribute]], failure: Failure, kept: Ids) -> tuple[Attribute, ...]:
        """The patches with which the net gets furthest; none where it fails in the same place with all of them."""
        best: tuple[Attribute, ...] = ()
        steps = failure.steps
        for extra in extras:
            after = self.attempt(self._allowed(kept), extra)
            reached = after.steps if after else failure.steps + _END
            if reached > steps:
                best, steps = tuple(extra), reached
        return best

    def _accept(self, attributes: Sequence[Attribute]) -> None:
        self._tried.update((attribute.place, _bytes(attribute)) for attribute in attributes)
        self.patches.update({attribute.place: attribute for attribute in attributes})

    def _alike(self, patches: Sequence[Attribute]) -> list[Attribute]:
        """The same patches for all modules of the same class: what one of them remembers, its like remember too."""
        first = patches[0].module
        names = {attribute.name for attribute in patches}
        kind = type(self.net.get_submodule(first))
        found: list[Attribute] = []
        for name, module in self.net.named_modules():
            if type(module) is kind and name != first:
                exact = [extra for extra in self._split_sizes(name) if {a.name for a in extra} == names]
                found += exact[0] if exact else self._same_place(name, patches)
        return [attribute for attribute in found if attribute.place not in self.patches]

    def _same_place(self, module: str, patches: Sequence[Attribute]) -> list[Attribute]:
        """The candidates of a module that stand where the patches stand among those of their own module."""
        found = []
        for patch in patches:
            order = [_bytes(a) for a in self._candidates(patch.module, is_open=False) if a.place == patch.place]
            at = order.index(_bytes(patch)) if _bytes(patch) in order else len(order)
            place = (module, patch.name, patch.position)
            found += [a for a in self._candidates(module) if a.place == place][at : at + 1]
        return found

    def _candidates(self, module: str, *, is_open: bool = True) -> list[Attribute]:
        """The numbers in a module that equal the size of something with croppable channels that it handles."""
        held = self.net.get_submodule(module).__dict__
        inner = [name for name in self.seen if name != module and name.startswith(f"{module}." if module else "")]
        by_size: dict[int, dict[bytes, Tensor]] = {}
        for units in (units for name in (module, *inner) for units in self.seen.get(name, {}).values()):
            if self._groups(units):
                roots = self.grouping.classes.of(units)
                by_size.setdefault(len(roots), {}).setdefault(roots.tobytes(), units)
        found = [
            Attribute(module, name, units, 1, position)
            for name, value in held.items()
            for position, number in _numbers(value)
            for units in by_size.get(number, {}).values()
        ]
        layers_own = {attribute.place for attribute in self.own}
        tried = self._tried if is_open else set()
        return [a for a in found if a.place not in layers_own and (a.place, _bytes(a)) not in tried]

    def _freeze(self, failure: Failure, kept: Ids) -> None:
        """Freezes the groups near the failure that fail alone; all of them if none does."""
        active = [group for group in range(len(self.full)) if group not in self.frozen]
        suspects = sorted(failure.groups) or active
        asked = suspects if self._attempts < _MOST else []
        guilty = {group: reason for group in asked if (reason := self._alone(group, kept))}
        shared = dict.fromkeys(suspects, f"{failure.where}: {failure.reason}")
        self.frozen.update(guilty or shared or dict.fromkeys(active, f"{failure.where}: {failure.reason}"))

    def _alone(self, group: int, kept: Ids) -> str | None:
        only = self.full
        only[group] = kept[group]
        failure = self.attempt(only)
        return f"{failure.where}: {failure.reason}" if failure else None


def _bytes(attribute: Attribute) -> bytes:
    return attribute.units.numpy().tobytes()


def _numbers(value: object) -> list[tuple[int | None, int]]:
    """The numbers above 1 in an attribute, each with its position in a tuple or list."""
    if isinstance(value, bool):
        return []
    if isinstance(value, int):
        return [(None, value)] if value > 1 else []
    return [(at, item) for at, item in enumerate(value) if item > 1] if _is_list(value) else []


def _is_list(value: Any) -> TypeGuard[Sequence[int]]:
    return isinstance(value, tuple | list) and all(isinstance(item, int) for item in value)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:160]
