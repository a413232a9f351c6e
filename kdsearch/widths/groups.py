"""Channel groups: the unit classes that occur in the same dimensions of the same tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from kdsearch.tracing.units import Ids, Port, UnitClasses, UnitRecorder
from kdsearch.widths.crop import Vector


@dataclass(frozen=True, slots=True)
class RawGroup:
    """A group before its widths are chosen: its name, its classes in order, and channels a class in its layer."""

    name: str
    roots: Ids
    multiplicity: int

    @property
    def width(self) -> int:
        """Channels of the layer that the group is named after."""
        return len(self.roots) * self.multiplicity


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Channels that shrink together: ``width`` of the layer ``name`` (its full output channels), and its choices.

    ``multiplicity``: channels of that layer which only go together; ``scaled``: the width of every scale, repeats too.
    """

    name: str
    width: int
    choices: tuple[int, ...]
    multiplicity: int = 1
    scaled: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Grouping:
    """All groups, and for each unit class its group (-1: fixed) and its rank there."""

    groups: tuple[RawGroup, ...]
    classes: UnitClasses
    group_of: Ids
    rank_of: Ids
    _known: dict[int, tuple[Tensor, Vector, Ids]] = field(default_factory=dict, repr=False, compare=False)

    def vector(self, units: Tensor) -> Vector:
        """The places of a dimension that consists of these units."""
        return self._look_up(units)[1]

    def identities(self, units: Tensor) -> Ids:
        """The classes of these units, 0 for all that are fixed."""
        return self._look_up(units)[2]

    def _look_up(self, units: Tensor) -> tuple[Tensor, Vector, Ids]:
        """Each tensor of units is looked up once."""
        known = self._known.get(id(units))
        if known is None or known[0] is not units:
            roots = self.classes.of(units)
            vector = Vector.of(self.group_of[roots], self.rank_of[roots])
            known = self._known[id(units)] = (units, vector, np.where(vector.group < 0, 0, roots))
        return known


def group_units(recorder: UnitRecorder, classes: UnitClasses, counted: Sequence[Tensor]) -> Grouping:
    """The groups, named after the first layer that gives their units off, in the order of those layers.

    ``counted``: further vectors of units in which all classes of a group must occur equally often.
    """
    ports: dict[Port, Tensor] = dict(recorder.ports)
    ports.update({(f":{at}", 0): units for at, units in enumerate(counted)})
    signatures = _signatures(ports, classes)
    outputs = {port: classes.of(units) for port, units in ports.items() if port[0].endswith(":out")}
    members: dict[tuple[Port, tuple[object, ...]], list[int]] = {}
    seen: set[int] = set()
    for port, roots in outputs.items():
        for root in roots.tolist():
            if root not in seen and root not in classes.reasons:
                seen.add(root)
                members.setdefault((port, signatures[root]), []).append(root)
    groups = list(_named(members, outputs))
    return _table(tuple(groups), classes, recorder.count)


def _signatures(ports: Mapping[Port, Tensor], classes: UnitClasses) -> dict[int, tuple[object, ...]]:
    """For each class, the ports that it occurs in and how often."""
    together: dict[bytes, list[Port]] = {}
    for port, units in ports.items():
        together.setdefault(classes.of(units).tobytes(), []).append(port)
    signatures: dict[int, list[object]] = {}
    for key, same in together.items():
        roots, counts = np.unique(np.frombuffer(key, dtype=np.int64), return_counts=True)
        for root, count in zip(roots.tolist(), counts.tolist(), strict=True):
            signatures.setdefault(root, []).append((same[0], count))
    return {root: tuple(places) for root, places in signatures.items()}


def _named(
    members: Mapping[tuple[Port, tuple[object, ...]], Sequence[int]], outputs: Mapping[Port, Ids]
) -> Iterable[RawGroup]:
    used: dict[str, int] = {}
    for (port, _), roots in members.items():
        layer = port[0].removesuffix(":out")
        used[layer] = used.get(layer, 0) + 1
        name = layer if used[layer] == 1 else f"{layer}#{used[layer]}"
        multiplicity = int((outputs[port] == roots[0]).sum())
        yield RawGroup(name, np.array(roots, dtype=np.int64), multiplicity)


def _table(groups: tuple[RawGroup, ...], classes: UnitClasses, count: int) -> Grouping:
    """A group of one class cannot shrink: it is fixed."""
    wide = tuple(group for group in groups if len(group.roots) > 1)
    reasons = dict(classes.reasons)
    for group in groups:
        if len(group.roots) == 1:
            reasons.setdefault(int(group.roots[0]), "its channels can only stay or go all together")
    group_of, rank_of = np.full(count + 1, -1, np.int64), np.zeros(count + 1, np.int64)
    for at, group in enumerate(wide):
        group_of[group.roots] = at
        rank_of[group.roots] = np.arange(len(group.roots))
    return Grouping(wide, UnitClasses(classes.root_of, reasons), group_of, rank_of)
