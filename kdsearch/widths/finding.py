"""Finding the channel groups of a net: trace it, group what belongs together, prove the crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from kdsearch.errors import WidthError, first_line
from kdsearch.spec.sections import WidthOptions
from kdsearch.tracing.calls import RealTensorsNeededError
from kdsearch.tracing.layers import MAPPING
from kdsearch.tracing.swap import Slots
from kdsearch.tracing.tracer import FOREIGN_ERRORS, Tracer, shapes_of, units_of_output
from kdsearch.tracing.unchanged import unchanged
from kdsearch.tracing.units import Ids, Mark, UnitClasses, UnitRecorder, classify
from kdsearch.tracing.unread import find_unread, tensors_inside
from kdsearch.widths.check import CropProof
from kdsearch.widths.choices import choices, scaled_widths
from kdsearch.widths.groups import ChannelGroup, Grouping, group_units
from kdsearch.widths.layers import Attribute, LayerWiring
from kdsearch.widths.layout import Layout
from kdsearch.widths.space import WidthParts, WidthSpace
from kdsearch.widths.ties import tie_bottlenecks
from kdsearch.widths.training_path import freeze_training_only, trace_training

_OUTPUT = "gives the net's output"


@dataclass(frozen=True, slots=True)
class Traced:
    """A net that was traced, with the tensors and image that its crops are tried on.

    ``marks``: what it computed on its way, in evaluation and, where that takes another path, in training.
    ``unread``: the parameters and buffers that evaluation does not read.
    """

    net: nn.Module
    slots: Slots
    tracer: Tracer
    recorder: UnitRecorder
    tensors: Mapping[str, Tensor]
    image: Tensor
    attributes: tuple[Attribute, ...]
    output: tuple[Tensor, ...]
    shapes: tuple[tuple[int, ...], ...]
    marks: tuple[Mapping[str, Sequence[Mark]], ...]
    unread: frozenset[str]


def find_widths(net: nn.Module, image_shape: Sequence[int], options: WidthOptions | None = None) -> WidthSpace:
    """The width space of ``net`` for images of shape (channels, height, width); the net itself is not changed.

    Raises:
        WidthError: the net does not run on such images.
    """
    with unchanged(net, values=False), torch.random.fork_rng(devices=[]):
        return _find_widths(net, image_shape, options or WidthOptions())


def _find_widths(net: nn.Module, image_shape: Sequence[int], options: WidthOptions) -> WidthSpace:
    traced = trace(net, image_shape)
    if options.fix_last:
        _fix_last(traced)
    if options.tie_bottleneck:
        tie_bottlenecks(traced.recorder, list(traced.tracer.layers.items()))
    grouping = group_units(traced.recorder, classify(traced.recorder), _counted(traced))
    proof = _prove(traced, grouping, options)
    grouping = _without(grouping, proof.frozen)
    layout = Layout.of(net, traced.slots, grouping, traced.recorder.ports, proof.attributes)
    groups = tuple(_channel_groups(grouping, options))
    layers = _layers(traced, layout)
    costs = layout.cost_model(traced.tracer.terms, but=traced.unread)
    channels, height, width = image_shape
    return WidthSpace(
        WidthParts(groups, tuple(_frozen(traced, grouping)), layout, costs, layers, (channels, height, width))
    )


def trace(net: nn.Module, image_shape: Sequence[int]) -> Traced:
    """The net after one traced forward: on tensors without values if it runs on those, else on its own.

    Raises:
        WidthError: the net does not run on such images.
    """
    slots = Slots.of(net)
    own = slots.tensors()
    bare = {name: torch.empty_like(tensor, device="meta") for name, tensor in own.items()}
    try:
        return _trace(net, slots, bare, torch.zeros(1, *image_shape, device="meta"))
    except (RealTensorsNeededError, *FOREIGN_ERRORS):
        device = next((tensor.device for tensor in own.values()), torch.device("cpu"))
    try:
        return _trace(net, slots, own, torch.zeros(1, *image_shape, device=device))
    except FOREIGN_ERRORS as error:
        shape = "x".join(str(size) for size in image_shape)
        raise WidthError(
            f"{type(net).__name__} does not run on images of {shape}: {first_line(error)}; change task.image_size, "
            "task.channels or the net"
        ) from error


def _trace(net: nn.Module, slots: Slots, tensors: Mapping[str, Tensor], image: Tensor) -> Traced:
    recorder = UnitRecorder()
    tracer = Tracer(net, slots, recorder)
    given = tracer.run(tensors, image)
    output = tuple(units_of_output(tracer, given))
    for units in output:
        recorder.freeze(units, _OUTPUT)
    marks, recorder.marks = recorder.marks, {}
    taught = trace_training(tracer, tensors, image)
    own = slots.tensors()
    wiring = LayerWiring(recorder, {id(tensor): name for name, tensor in own.items()}, [])
    for name, module in (tracer.layers | (taught.layers if taught else {})).items():
        wiring.add(name, module)
    if taught:
        freeze_training_only(tracer, taught, recorder)
    paths = (marks, recorder.marks) if taught else (marks,)
    uncalled = {name for name, _ in net.named_modules()} - tracer.called
    unread = find_unread(net, image, tensors) if tensors_inside(net, slots, uncalled) else frozenset()
    return Traced(
        net, slots, tracer, recorder, tensors, image, tuple(wiring.attributes), output, shapes_of(given), paths, unread
    )


def _counted(traced: Traced) -> list[Tensor]:
    vectors = [units for term in traced.tracer.terms for units in (term.first, term.second)]
    return [units for units in vectors if units is not None]


def _fix_last(traced: Traced) -> None:
    """Freezes what the layers read that give the net's output."""
    classes = classify(traced.recorder)
    last = {int(root) for units in traced.output for root in classes.of(units)} - {0}
    for name, module in traced.tracer.layers.items():
        if isinstance(module, MAPPING) and last & set(classes.of(traced.recorder.ports[f"{name}:out", 0]).tolist()):
            traced.recorder.freeze(traced.recorder.ports[f"{name}:in", 0], "feeds the classifier (fix_last)")


def _prove(traced: Traced, grouping: Grouping, options: WidthOptions) -> CropProof:
    proof = CropProof(
        Layout.of(traced.net, traced.slots, grouping, traced.recorder.ports, traced.attributes),
        traced.recorder.ports,
        traced.tracer.seen,
        traced.tracer.splits,
        traced.tensors,
        traced.image,
        traced.attributes,
        tuple(_channel_groups(grouping, options)),
        traced.marks,
        traced.shapes,
    )
    proof.settle()
    return proof


def _channel_groups(grouping: Grouping, options: WidthOptions) -> list[ChannelGroup]:
    return [
        ChannelGroup(
            group.name,
            group.width,
            choices(group.width, options.divisor, options.scales, group.multiplicity),
            group.multiplicity,
            scaled_widths(group.width, options.divisor, options.scales, group.multiplicity),
        )
        for group in grouping.groups
    ]


def _without(grouping: Grouping, frozen: Mapping[int, str]) -> Grouping:
    """The grouping with these groups fixed."""
    kept = [at for at in range(len(grouping.groups)) if at not in frozen]
    numbers: Ids = np.full(len(grouping.groups) + 1, -1, dtype=np.int64)
    numbers[kept] = np.arange(len(kept))
    reasons = dict(grouping.classes.reasons)
    for at, reason in frozen.items():
        reasons.update(dict.fromkeys(grouping.groups[at].roots.tolist(), reason))
    classes = UnitClasses(grouping.classes.root_of, reasons)
    return Grouping(tuple(grouping.groups[at] for at in kept), classes, numbers[grouping.group_of], grouping.rank_of)


def _frozen(traced: Traced, grouping: Grouping) -> list[tuple[str, str]]:
    """The layers that give off fixed channels, each with the first reason; those of the net's output are meant to."""
    found = []
    for name, module in traced.tracer.layers.items():
        if not isinstance(module, MAPPING):
            continue
        roots = grouping.classes.of(traced.recorder.ports[f"{name}:out", 0])
        fixed = roots[grouping.group_of[roots] < 0]
        if fixed.size:
            found.append((name, grouping.classes.reasons.get(int(fixed[0]), "nothing names it")))
    return found


def _layers(traced: Traced, layout: Layout) -> tuple[tuple[str, int, int], ...]:
    rows = []
    for name, module in traced.tracer.layers.items():
        if isinstance(module, MAPPING):
            units = traced.recorder.ports[f"{name}:out", 0]
            rows.append((name, layout.table.number(units), len(units)))
    return tuple(rows)
