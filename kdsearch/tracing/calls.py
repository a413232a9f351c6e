"""One operator call as the tracing rules see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from kdsearch.tracing.labels import Label
from kdsearch.tracing.traits import Traits
from kdsearch.tracing.units import Ledger


class RealTensorsNeededError(Exception):
    """An operation needs values, and the tensors of this run have none."""


class Scene(Protocol):
    """What the rules need of the tracer."""

    ledger: Ledger
    traits: Traits

    @property
    def here(self) -> str:
        """The module whose forward is running."""

    @property
    def calling(self) -> str:
        """The function that the forward has called; empty where it is not known."""

    def label(self, tensor: Tensor) -> Label:
        """The label of a tensor."""

    def name(self, tensor: Tensor) -> str | None:
        """The name of a parameter or buffer; None for any other tensor."""

    def set(self, tensor: Tensor, label: Label) -> None:
        """Gives a tensor its label."""

    def note_split(self, pieces: Sequence[Label], dim: int, sizes: Sequence[int]) -> None:
        """Remembers that the running module splits channels into pieces of these sizes."""

    def add_macs(self, macs: int, first: Tensor | None = None, second: Tensor | None = None) -> None:
        """Adds MACs that are proportional to the numbers of these units."""


@dataclass(frozen=True, slots=True)
class Call:
    """An operator, what it was given, what came out, and its MACs."""

    scene: Scene
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    macs: int

    @property
    def name(self) -> str:
        """The operator's name without its name space and the mark of in-place operators."""
        return str(self.func._schema.name).split("::")[-1].removesuffix("_")

    @property
    def place(self) -> str:
        """What was called and where, for people: "sort in layer1.0"."""
        return f"{self.scene.calling or self.name} in {self.scene.here or 'the net'}"

    @property
    def inputs(self) -> list[Tensor]:
        """All tensors that it was given."""
        return list(tensors_in((self.args, list(self.kwargs.values()))))

    @property
    def outputs(self) -> list[Tensor]:
        """All tensors that came out."""
        return list(tensors_in(self.result))

    def given(self, name: str) -> Any:
        """The value of one argument of the operator's signature, given or default; None where it has no such one."""
        for position, argument in enumerate(self.func._schema.arguments):
            if argument.name == name:
                if position < len(self.args):
                    return self.args[position]
                return self.kwargs.get(name, argument.default_value if argument.has_default_value() else None)
        return None

    def label(self, tensor: Any) -> Label:
        """The label of a tensor; None for what is no tensor."""
        return self.scene.label(tensor) if isinstance(tensor, Tensor) else None

    def give(self, label: Label) -> None:
        """Gives every output this label."""
        for output in self.outputs:
            self.scene.set(output, label)

    def watch(self, units: Tensor) -> None:
        """Notes which units come here, so that every crop has to bring the same ones."""
        self.scene.ledger.arrive((self.scene.traits.new_key(self.place), 0), units)

    def refuse(self, *tensors: Tensor, reason: str = "") -> None:
        """Freezes the units of these tensors (all inputs by default); the outputs carry none."""
        for tensor in tensors or self.inputs:
            label = self.label(tensor)
            if label is not None:
                self.scene.ledger.freeze(label.reshape(-1), reason or self.place)
        self.give(None)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested lists and tuples, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)
