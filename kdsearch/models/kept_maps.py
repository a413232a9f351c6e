"""Nets that keep what they computed, such as a feature map or a growing list of losses: let go of after each forward.

Such tensors hold the graph of the whole step, so that memory grows and no copy can be made; nothing here reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from kdsearch.tracing.copying import graph_tensors, inner_values
from kdsearch.tracing.modes import training_steadily


@dataclass(frozen=True, slots=True)
class LetGo:
    """A forward hook that cuts what these attributes, (module path, name), hold off the graph, and empties lists."""

    places: tuple[tuple[str, str], ...]

    def __call__(self, net: nn.Module, given: Any, output: Any) -> None:  # noqa: ARG002
        for path, name in self.places:
            module = net.get_submodule(path)
            held = module._buffers if name in module._buffers else vars(module)
            if name in held:
                held[name] = _cut(held[name])


def let_go_of_maps(net: nn.Module, image_BCHW: Tensor) -> list[str]:
    """Puts a ``LetGo`` on ``net`` if a forward of training leaves tensors with a history in it; what was done."""
    with training_steadily(net):
        net(image_BCHW)
    places = tuple(
        (path, name)
        for path, module in net.named_modules()
        for name, value in [*vars(module).items(), *module._buffers.items()]
        if name not in ("_parameters", "_buffers", "_modules") and next(graph_tensors(value), None) is not None
    )
    if not places:
        return []
    hook = LetGo(places)
    net.register_forward_hook(hook, always_call=True)
    hook(net, None, None)
    names = ", ".join(f"{path}.{name}" if path else name for path, name in places)
    return [f"what its forward keeps in {names} is let go of"]


def _cut(value: Any) -> Any:
    """A tensor or tuple without its graph; a list, set, dictionary or object without its tensors."""
    if isinstance(value, Tensor):
        return value.detach() if value.grad_fn is not None else value
    if isinstance(value, tuple):
        parts = [_cut(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, list):
        value[:] = [_cut(item) for item in value if not isinstance(item, Tensor)]
    elif isinstance(value, dict | set):
        _discard_tensors(value)
    elif inner_values(value):
        for key, item in vars(value).items():
            setattr(value, key, _cut(item))
    return value


def _discard_tensors(held: dict[Any, Any] | set[Any]) -> None:
    if isinstance(held, set):
        held.difference_update({item for item in held if isinstance(item, Tensor)})
        return
    for key in [key for key, item in held.items() if isinstance(item, Tensor)]:
        del held[key]
