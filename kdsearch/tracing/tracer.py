"""One forward through a net that watches where channel units go.

Layers with parameters are taken as a whole (tracing_layers.py); every other operation is seen at the level of PyTorch's
own operators (tracing_ops.py), so that no net has to be written in a particular style.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.tracing.by_tensor import ByTensor
from kdsearch.tracing.calls import tensors_in
from kdsearch.tracing.labels import Label, along, lay, varying
from kdsearch.tracing.layers import is_layer, label_through_layer
from kdsearch.tracing.modes import training_steadily, unwatched
from kdsearch.tracing.swap import Slots, swapped
from kdsearch.tracing.traits import Traits
from kdsearch.tracing.unchanged import attributes_unchanged, unchanged
from kdsearch.tracing.units import Ledger, Mark
from kdsearch.tracing.watching import FunctionWatch, OperatorWatch

FOREIGN_ERRORS = (Exception,)
"""What somebody else's forward may raise when it is run at sizes that it was not written for."""


@dataclass(frozen=True, slots=True)
class MacTerm:
    """``coefficient`` MACs for each pair of a unit in ``first`` and one in ``second`` (None: one, always kept)."""

    coefficient: int
    first: Tensor | None
    second: Tensor | None


@dataclass(slots=True)
class Tracer:
    """What a traced forward leaves: layers in order of their first call, MACs, and the units each module has seen.

    ``trains``: it takes the path of training, where that differs from evaluation (``kdsearch.tracing.modes``).
    """

    net: nn.Module
    slots: Slots
    ledger: Ledger
    traits: Traits = field(default_factory=Traits)
    calling: str = ""
    path: list[str] = field(default_factory=list)
    layers: dict[str, nn.Module] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    terms: list[MacTerm] = field(default_factory=list)
    seen: dict[str, dict[tuple[int, int], Tensor]] = field(default_factory=dict)
    splits: dict[str, dict[tuple[int, ...], tuple[Label, ...]]] = field(default_factory=dict)
    inside: int = 0
    layer_macs: int = 0
    steps: int = 0
    is_bare: bool = False
    trains: bool = False
    failed_in: tuple[str, ...] = ()
    _labels: ByTensor[Label] = field(default_factory=ByTensor)
    _names: dict[int, str] = field(default_factory=dict)
    _entry: list[Tensor | None] = field(default_factory=list)

    @property
    def here(self) -> str:
        """The module whose forward is running."""
        return self.path[-1] if self.path else ""

    def label(self, tensor: Tensor) -> Label:
        """The label of a tensor; a bare vector parameter gets units of its own when it is first met."""
        if tensor in self._labels:
            label = self._labels.get(tensor)
            self.note(label)
            return label
        name = self.name(tensor)
        if name is None:
            return None
        wide = [dim for dim, size in enumerate(tensor.shape) if size > 1]
        if len(wide) != 1:
            return None
        return lay(self.ledger.leave((name, wide[0]), tensor.shape[wide[0]]), wide[0], tensor.ndim)

    def name(self, tensor: Tensor) -> str | None:
        """The name of a parameter or buffer; None for any other tensor."""
        return self._names.get(id(tensor))

    def set(self, tensor: Tensor, label: Label) -> None:
        """Gives a tensor its label; what was known of where it is constant holds no longer."""
        self.traits.forget(tensor)
        if label is None and tensor not in self._labels:
            return
        self._labels[tensor] = label

    def note(self, label: Label) -> None:
        """Remembers that the running module handles these units."""
        if label is not None and len(varying(label)) == 1:
            self.seen.setdefault(self.here, {})[(label.data_ptr(), label.numel())] = label

    def note_split(self, pieces: Sequence[Label], dim: int, sizes: Sequence[int]) -> None:
        """Remembers that the running module splits channels into pieces of these sizes."""
        units = tuple(along(piece, dim) for piece in pieces)
        self.splits.setdefault(self.here, {})[tuple(sizes)] = units

    def see(self, operator: str, result: Any) -> None:
        """Tells the ledger what an operator or a layer gave."""
        for tensor in tensors_in(result):
            self.ledger.see(self.here, Mark(operator, tuple(tensor.shape), self._labels.get(tensor)))

    def add_macs(self, macs: int, first: Tensor | None = None, second: Tensor | None = None) -> None:
        """Adds MACs that are proportional to the numbers of these units."""
        sizes = (1 if first is None else first.numel()) * (1 if second is None else second.numel())
        if macs % sizes:
            first = second = None
            sizes = 1
        if macs:
            self.terms.append(MacTerm(macs // sizes, first, second))

    def run(self, tensors: Mapping[str, Tensor | None], image: Tensor, settings: Sequence[Any] = ()) -> Any:
        """The net's output for ``image``, with these tensors in place of its own."""
        self._names = {id(tensor): name for name, tensor in tensors.items() if tensor is not None}
        self.is_bare = image.device.type == "meta"
        place = torch.device("meta") if self.is_bare else nullcontext()
        with (
            attributes_unchanged(self.net) if self.is_bare else unchanged(self.net),
            swapped(self.slots, tensors, settings),
            self._watching(),
            torch.no_grad(),
            place,
            OperatorWatch(self),
            FunctionWatch(self),
        ):
            return self.net(image)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        handles: list[Any] = []
        modules = list(self.net.named_modules())
        training = [module for _, module in modules if module.training]
        if training:
            self.net.eval()
        try:
            path = training_steadily(self.net) if self.trains else nullcontext()
            for name, module in modules:
                handles.append(module.register_forward_pre_hook(self._enter(name)))
                handles.append(module.register_forward_hook(self._leave(name)))
            with path:
                yield
        except BaseException:
            self.failed_in = tuple(self.path)
            raise
        finally:
            for handle in handles:
                handle.remove()
            for module in training:
                module.training = True

    def _enter(self, name: str) -> Callable[[nn.Module, Any], None]:
        def enter(module: nn.Module, args: Any) -> None:
            self.path.append(name)
            self.called.add(name)
            if self.inside:
                self.inside += 1
            elif is_layer(module) and args and isinstance(args[0], Tensor):
                self.inside = 1
                self.layer_macs = 0
                self._entry = [args[0]]

        return enter

    def _leave(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def leave(module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG001
            with unwatched():
                if self.inside == 1:
                    self._close_layer(name, module, output)
                self.inside = max(0, self.inside - 1)
                self.path.pop()
                if isinstance(output, Tensor):
                    self.note(self.label(output))

        return leave

    def _close_layer(self, name: str, module: nn.Module, output: Tensor) -> None:
        source = self._entry[0]
        assert source is not None
        self._entry = []
        self.layers.setdefault(name, module)
        label = self.label(source)
        through = label_through_layer(self.ledger, name, module, (label, tuple(source.shape)), tuple(output.shape))
        self.set(output, through.label)
        self.add_macs(self.layer_macs, through.units_out, through.units_in)
        self.see("", output)


def shapes_of(output: Any) -> tuple[tuple[int, ...], ...]:
    """The shapes of a net's output."""
    return tuple(tuple(tensor.shape) for tensor in tensors_of(output))


def tensors_of(output: Any) -> Iterator[Tensor]:
    """The tensors of a net's output, also of a mapping."""
    return tensors_in(list(output.values()) if isinstance(output, Mapping) else output)


def units_of_output(tracer: Tracer, output: Any) -> list[Tensor]:
    """The units that the net's output consists of."""
    labels = [tracer.label(tensor) for tensor in tensors_of(output)]
    return [label.reshape(-1) for label in labels if label is not None]
