"""Which of the tensors that a net gives are its logits, in evaluation and in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.errors import SpecError
from kdsearch.tracing.modes import training_steadily

Path = tuple[Any, ...]
"""Keys, positions or names that lead from an output to a tensor in it; empty for the output itself."""

_NAMES = ("logits", "out", "output", "main")
_CLOSE = 1e-4


@dataclass(frozen=True, slots=True)
class MainOutput:
    """A forward hook that gives the logits alone: what stands at one path in evaluation, at another in training."""

    evaluation: Path
    training: Path

    def __call__(self, net: nn.Module, given: Any, output: Any) -> Any:  # noqa: ARG002
        for path in (self.training if net.training else self.evaluation, self.evaluation, self.training):
            found = find_outputs(output)
            if path in found:
                return found[path]
        return output


def find_outputs(output: Any, path: Path = ()) -> dict[Path, Tensor]:
    """The tensors in an output by their paths, in order; containers in containers are entered."""
    if isinstance(output, Tensor):
        return {path: output}
    if isinstance(output, Mapping):
        inner = list(output.items())
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        inner = list(zip(output._fields, output, strict=True))
    elif isinstance(output, list | tuple):
        inner = list(enumerate(output))
    else:
        inner = list(vars(output).items()) if hasattr(output, "__dict__") else []
    found: dict[Path, Tensor] = {}
    for key, value in inner:
        found |= find_outputs(value, (*path, key))
    return found


def keep_main_output(net: nn.Module, image_BCHW: Tensor, num_classes: int, who: str) -> None:
    """Makes ``net`` give its logits alone, in evaluation and in training, by a hook if it gives more.

    In training the main output is the one that equals that of evaluation; a branch that is added to it in training
    alone stays added, one that is given beside it is not read.

    Raises:
        SpecError: no output has a row an image and a column a class, or several do and nothing tells which is meant.
    """
    with torch.no_grad():
        net.eval()
        evaluated = find_outputs(net(image_BCHW))
        main = _choose_main(evaluated, len(image_BCHW), num_classes, who)
        with training_steadily(net):
            trained = find_outputs(net(image_BCHW))
    taught = _choose_trained(trained, evaluated[main], who)
    if main or taught:
        net.register_forward_hook(MainOutput(main, taught))


def keep_evaluated_output(net: nn.Module, image_BCHW: Tensor, num_classes: int, who: str) -> None:
    """Makes ``net``, which is only ever evaluated, give its logits alone, by a hook if it gives more.

    Raises:
        SpecError: as ``keep_main_output`` does of evaluation.
    """
    with torch.no_grad():
        main = _choose_main(find_outputs(net(image_BCHW)), len(image_BCHW), num_classes, who)
    if main:
        net.register_forward_hook(MainOutput(main, main))


def _choose_main(found: Mapping[Path, Tensor], images: int, num_classes: int, who: str) -> Path:
    fitting = [path for path, tensor in found.items() if tuple(tensor.shape) == (images, num_classes)]
    named = [path for path in fitting if path and path[-1] in _NAMES]
    if len(fitting) == 1 or named:
        return (named or fitting)[0]
    if fitting:
        raise SpecError(
            f"{who} gives {len(fitting)} tensors of {num_classes} columns; let its forward return the logits"
        )
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in list(found.values())[:3]) or "no tensor"
    raise SpecError(
        f"{who} gives {shapes} for {images} images, the task has {num_classes} classes; "
        "give its last layer so many outputs"
    )


def _choose_trained(found: Mapping[Path, Tensor], wanted: Tensor, who: str) -> Path:
    fitting = {path: tensor for path, tensor in found.items() if tensor.shape == wanted.shape}
    scale = max(1.0, float(wanted.abs().max()))
    equal = [path for path, tensor in fitting.items() if float((tensor - wanted).abs().max()) <= _CLOSE * scale]
    if equal or len(fitting) == 1:
        return (equal or list(fitting))[0]
    raise SpecError(
        f"{who} gives {len(found)} tensors in training, and none of them is what it gives in evaluation; "
        "let its forward return the logits in training, too"
    )
