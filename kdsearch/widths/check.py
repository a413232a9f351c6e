"""Proving a crop: the cropped net runs, and every channel arrives where the crop says.

The net is traced again on cropped tensors, now with the known units, so that not only sizes but the identity of every
channel is compared. Where the forward uses a size that a module remembers (``self.width``), that number is changed too
if that makes the crop right; a group that still fails keeps its full width and is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from kdsearch.errors import WidthError, first_line
from kdsearch.tracing.tracer import FOREIGN_ERRORS, Tracer, shapes_of
from kdsearch.tracing.units import Ids, Mark, Port, UnitMismatchError
from kdsearch.widths.crop import take
from kdsearch.widths.failure import Failure
from kdsearch.widths.groups import ChannelGroup
from kdsearch.widths.layers import Attribute, Place
from kdsearch.widths.layout import Layout
from kdsearch.widths.proof_crops import edge_crops, lone_crop, mixed_crops, separating_crops, telling_crops
from kdsearch.widths.remembered import explain_derived, explain_sizes, explain_splits
from kdsearch.widths.unit_check import UnitCheck

_TRIES = 24
_NEAR = 6
_DOUBTS = 2  # crops beside the failing one in which a patch may show that it is needed
_MOST = 300  # how many runs of crops are tried; then whole neighbourhoods are frozen, without further patches
_STEPS_ALONE = 1_000  # not seconds: every machine has to find the same widths
_END = 1_000_000


@dataclass(slots=True)
class CropProof:
    """Finds the groups that can be cropped and the remembered sizes that must change with them.

    ``groups``: the grouping's, with their choices. ``layout``: with the sizes that layers remember (``own``);
    ``patches``: further ones that were found to matter. ``marks``: what the full net computed on its way in evaluation
    and, where training takes another path, in training; ``shapes``: those of its output.
    """

    layout: Layout
    ports: Mapping[Port, Tensor]
    seen: Mapping[str, Mapping[tuple[int, int], Tensor]]
    splits: Mapping[str, Mapping[tuple[int, ...], tuple[Tensor | None, ...]]]
    tensors: Mapping[str, Tensor]
    image: Tensor
    own: tuple[Attribute, ...]
    groups: tuple[ChannelGroup, ...]
    marks: tuple[Mapping[str, Sequence[Mark]], ...]
    shapes: tuple[tuple[int, ...], ...]
    patches: dict[Place, Attribute] = field(default_factory=dict)
    frozen: dict[int, str] = field(default_factory=dict)
    _tried: set[tuple[Place, bytes]] = field(default_factory=set)
    _outcomes: dict[tuple[int, bytes], Failure | None] = field(default_factory=dict)
    _attempts: int = 0
    _accepted: int = 0
    _steps: int = 0

    @property
    def full(self) -> Ids:
        """All classes of every group."""
        return np.array([len(group.roots) for group in self.layout.grouping.groups], dtype=np.int64)

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
        if not self._tells_apart():
            self._pass_all(mixed_crops(self.groups))
        self._pass_all(edge_crops(self.groups))
        while True:
            known = self._state
            if not self._tells_apart():
                self._pass_all((*mixed_crops(self.groups), *self._separating()))
                self._pass_alone()
            self._pass_all(edge_crops(self.groups))
            if self._state == known:
                return

    def _tells_apart(self) -> bool:
        """Whether the net runs right at sizes none of which may stand for another, so that no mixture is needed.

        A net may fail there and be right at all of its choices: nothing is patched or frozen for that.
        """
        return not any(self._fails(kept) for kept in telling_crops(self.groups))

    @property
    def _state(self) -> tuple[int, int]:
        return self._accepted, len(self.frozen)

    def _separating(self) -> tuple[Ids, ...]:
        """Crops that tell the groups apart which the remembered sizes of some module may stand for."""
        return separating_crops(self.groups, self._open()) if self.patches else ()

    def _open(self) -> list[int]:
        return [group for group in range(len(self.groups)) if group not in self.frozen]

    def _pass_all(self, crops: Sequence[Ids]) -> None:
        is_clean = False
        while not is_clean:
            is_clean = True
            for kept in crops:
                while failure := self._fails(kept):
                    is_clean = False
                    if not self._patch(failure, kept):
                        self._freeze(failure, kept)

    def _pass_alone(self) -> None:
        """Each group alone at its smallest, as far as the steps for it reach."""
        left = _STEPS_ALONE
        for group in self._open():
            left -= self._steps
            if left < 0:
                return
            self._pass_all((lone_crop(self.groups, group),))

    def _fails(self, kept: Ids) -> Failure | None:
        """Where the allowed part of a crop fails; as things stand it is run once."""
        allowed = self._allowed(kept)
        key = (self._accepted, allowed.tobytes())
        if key not in self._outcomes:
            self._outcomes[key] = self.attempt(allowed)
        return self._outcomes[key]

    def attempt(self, kept: Ids, extra: Sequence[Attribute] = ()) -> Failure | None:
        """Runs the crop; where it failed, or None."""
        self._attempts += 1
        patches = self.patches | {attribute.place: attribute for attribute in extra}
        crop = self.layout.remembering(list(patches.values())).decode(kept)
        cropped = {name: take(tensor, crop.index[name]) for name, tensor in self.tensors.items()}
        steps = 0
        for trains, marks in enumerate(self.marks):
            check = UnitCheck(self.layout.grouping, self.ports, kept, marks)
            tracer = Tracer(self.layout.net, self.layout.slots, check, trains=trains > 0)
            try:
                self._check_output(tracer, tracer.run(cropped, self.image, crop.settings))
            except FOREIGN_ERRORS as error:
                return Failure(tracer.failed_in, steps + tracer.steps, first_line(error), self._near(tracer))
            steps += tracer.steps
        self._steps = steps
        return None

    def _check_output(self, tracer: Tracer, output: object) -> None:
        shapes = shapes_of(output)
        if not tracer.trains and shapes != self.shapes:
            raise UnitMismatchError(f"the output has the shapes {shapes}, the full net's {self.shapes}")

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
        groups = np.unique(self.layout.grouping.group_of[self.layout.grouping.classes.of(units)])
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
            best = best or self._best_derived(module, failure, kept)
            if best := self._needed(best, kept):
                self._accept(best)
                alike = self._alike(best)
                if alike and self._best([alike], failure, kept):
                    self._accept(alike)
                return True
        return False

    def _best_derived(self, module: str, failure: Failure, kept: Ids) -> tuple[Attribute, ...]:
        found = self._untried(explain_derived(self.layout.net, module, self.seen, self._key))
        return self._best([[one] for one in found] if self._attempts < _MOST else [], failure, kept)

    def _split_sizes(self, module: str) -> list[list[Attribute]]:
        """The sizes into which a module splits channels, but for what was tried."""
        found = explain_splits(self.layout.net, module, self.splits)
        return [extra for extra in found if any((a.place, a.meaning) not in self._tried for a in extra)]

    def _best(self, extras: Sequence[Sequence[Attribute]], failure: Failure, kept: Ids) -> tuple[Attribute, ...]:
        """The patches with which the net gets furthest; none where it fails in the same place with all of them.

        Of explanations that are equal there, the one that gets through most of the crops in which they differ.
        """
        reached = [self._reach(kept, extra) for extra in extras]
        most = max(reached, default=0)
        if most <= failure.steps:
            return ()
        equal = [tuple(extra) for extra, steps in zip(extras, reached, strict=True) if steps == most]
        for crop in self._deciding(equal):
            if len(equal) == 1 or self._attempts >= _MOST:
                break
            reached = [self._reach(crop, extra) for extra in equal]
            equal = [extra for extra, steps in zip(equal, reached, strict=True) if steps == max(reached)]
        return equal[0]

    def _needed(self, patches: tuple[Attribute, ...], kept: Ids) -> tuple[Attribute, ...]:
        """Those without which the net gets less far: a number that happens to equal a size stays, as a row's index."""
        attempts, among = self._attempts, {group for patch in patches for group in self._groups(patch.units)}
        crops = [kept, *separating_crops(self.groups, sorted(among))[:_DOUBTS]] if len(patches) > 1 else []
        most = [self._reach(crop, patches) for crop in crops]
        for patch in patches if crops else ():
            left = tuple(each for each in patches if each is not patch)
            if left and all(self._reach(crop, left) >= far for crop, far in zip(crops, most, strict=True)):
                patches = left
        self._attempts = attempts  # these look for no explanation
        return patches

    def _reach(self, kept: Ids, extra: Sequence[Attribute]) -> int:
        after = self.attempt(self._allowed(kept), extra)
        return after.steps if after else _END

    def _deciding(self, equal: Sequence[Sequence[Attribute]]) -> Iterator[Ids]:
        """Crops of the groups that equal explanations speak of; none where only one is left."""
        if len(equal) > 1:
            among = sorted({group for extra in equal for attribute in extra for group in self._groups(attribute.units)})
            yield from separating_crops(self.groups, among)

    def _accept(self, attributes: Sequence[Attribute]) -> None:
        self._accepted += 1
        self._tried.update((attribute.place, attribute.meaning) for attribute in attributes)
        self.patches.update({attribute.place: attribute for attribute in attributes})

    def _alike(self, patches: Sequence[Attribute]) -> list[Attribute]:
        """The same patches for all modules of the same class: what one of them remembers, its like remember too."""
        first = patches[0].module
        names = {attribute.name for attribute in patches}
        kind = type(self.layout.net.get_submodule(first))
        found: list[Attribute] = []
        for name, module in self.layout.net.named_modules():
            if type(module) is kind and name != first:
                exact = [extra for extra in self._split_sizes(name) if {a.name for a in extra} == names]
                found += exact[0] if exact else self._same_place(name, patches)
        return [attribute for attribute in found if attribute.place not in self.patches]

    def _same_place(self, module: str, patches: Sequence[Attribute]) -> list[Attribute]:
        """The candidates of a module that stand where the patches stand among those of their own module."""
        found = []
        for patch in patches:
            order = [a.meaning for a in self._candidates(patch.module, is_open=False) if a.place == patch.place]
            at = order.index(patch.meaning) if patch.meaning in order else len(order)
            place = (module, patch.name, patch.position)
            found += [a for a in self._candidates(module) if a.place == place][at : at + 1]
        return found

    def _candidates(self, module: str, *, is_open: bool = True) -> list[Attribute]:
        """The numbers in a module that equal the size of something with croppable channels that it handles."""
        return self._untried(explain_sizes(self.layout.net, module, self.seen, self._key), is_open=is_open)

    def _untried(self, found: Sequence[Attribute], *, is_open: bool = True) -> list[Attribute]:
        layers_own = {attribute.place for attribute in self.own}
        tried = self._tried if is_open else set()
        return [a for a in found if a.place not in layers_own and (a.place, a.meaning) not in tried]

    def _key(self, units: Tensor) -> bytes | None:
        return self.layout.grouping.classes.of(units).tobytes() if self._groups(units) else None

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
