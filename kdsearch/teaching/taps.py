"""Tensors from inside a net, taken while its own forward runs.

A tap is a module path: ``layer3`` is what that module gives, ``fc:input`` what it is given first.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn

from kdsearch.errors import SpecError, find_near

_INPUT = ":input"


class Taps:
    """One hook for each tap while the block lasts; ``take`` gives what the last forward left and clears it.

    Raises:
        SpecError: a path names no module of the net.
    """

    def __init__(self, net: nn.Module, paths: Mapping[str, str]) -> None:
        self.paths = dict(paths)
        self._modules = {alias: find_module(net, path) for alias, path in self.paths.items()}
        self._held: dict[str, Tensor] = {}
        self._times: dict[str, int] = {}
        self._versions: dict[str, int] = {}
        self._hooks: list[Any] = []

    def __enter__(self) -> Self:
        for alias, module in self._modules.items():
            if self.paths[alias].endswith(_INPUT):
                self._hooks.append(module.register_forward_pre_hook(self._keep_input(alias)))
            else:
                self._hooks.append(module.register_forward_hook(self._keep_output(alias)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._held.clear()
        self._times.clear()

    def take(self) -> dict[str, Tensor]:
        """Alias to tensor, of the forward since the last call.

        Raises:
            SpecError: a tap's module did not run, ran more than once, or gave no tensor, or one that another module has
            changed in place since.
        """
        wrong = [alias for alias in self.paths if self._times.get(alias, 0) != 1 or alias not in self._held]
        if wrong:
            alias, times = wrong[0], self._times.get(wrong[0], 0)
            what = "gave no tensor" if times == 1 else f"ran {times} times in one forward"
            raise SpecError(
                f"taps.{alias}: {self.paths[alias]} {what}; name a module that runs once and gives a tensor"
            )
        for alias, tensor in self._held.items():
            if self._versions[alias] != _version(tensor):
                raise SpecError(
                    f"taps.{alias}: what {self.paths[alias]} gives is changed in place by the next module; name that"
                )
        held, self._held = self._held, {}
        self._times, self._versions = {}, {}
        return held

    def _keep_output(self, alias: str) -> Any:
        def hook(module: nn.Module, given: Any, result: Any) -> None:  # noqa: ARG001
            self._keep(alias, result)

        return hook

    def _keep_input(self, alias: str) -> Any:
        def hook(module: nn.Module, given: tuple[Any, ...]) -> None:  # noqa: ARG001
            self._keep(alias, given[0] if given else None)

        return hook

    def _keep(self, alias: str, value: Any) -> None:
        self._times[alias] = self._times.get(alias, 0) + 1
        value = value[0] if isinstance(value, tuple | list) and value else value
        if isinstance(value, Tensor):
            self._held[alias], self._versions[alias] = value, _version(value)


def _version(tensor: Tensor) -> int:
    """How often the tensor has been changed in place; inference mode does not count."""
    return 0 if tensor.is_inference() else tensor._version


def find_module(net: nn.Module, path: str) -> nn.Module:
    """The module that a tap's path names.

    Raises:
        SpecError: there is none; the message has the nearest names.
    """
    name = path.removesuffix(_INPUT)
    try:
        if name:
            return net.get_submodule(name)
    except AttributeError:
        pass
    known = [at for at, _ in net.named_modules() if at]
    near = find_near(name, known, most=3) or known[-3:]
    raise SpecError(f"taps: {type(net).__name__} has no module {name!r}; name another, such as {', '.join(near)}")


def default_embedding(net: nn.Module) -> str:
    """The tap of what the classifier reads: the input of the net's last linear layer, or last convolution if none.

    Raises:
        SpecError: it has neither.
    """
    for kind in (nn.Linear, nn.Conv2d):
        found = [path for path, module in net.named_modules() if isinstance(module, kind)]
        if found:
            return found[-1] + _INPUT
    raise SpecError(f"taps: {type(net).__name__} has no linear layer whose input could be its embedding; name a module")


def flat_embedding(tensor: Tensor) -> Tensor:
    """BD: a tensor of two dimensions as it is, maps BCHW averaged over their pixels, tokens BLD over their places."""
    if tensor.ndim == 4:
        return tensor.mean((2, 3))
    return tensor.mean(1) if tensor.ndim == 3 else tensor.flatten(1)
