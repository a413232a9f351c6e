"""What a teacher's layers see of images that are being made: its embedding, and the statistics at its batch norms."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from kdsearch.losses.synthesis import batch_norm_distance


class SynthesisTaps:
    """Hooks on a frozen net while the block lasts; ``take`` gives what its last forward left, with gradients.

    ``feature``: the path of the module whose input is the embedding, None where nobody asks. ``batch_norms``: whether
    their statistics are compared.
    """

    def __init__(self, net: nn.Module, feature: str | None, *, batch_norms: bool) -> None:
        self._reader = None if feature is None else net.get_submodule(feature)
        self._norms = kept_norms(net) if batch_norms else []
        self._hooks: list[Any] = []
        self._feature: Tensor | None = None
        self._distances: list[Tensor] = []

    def __enter__(self) -> Self:
        if self._reader is not None:
            self._hooks.append(self._reader.register_forward_pre_hook(self._keep_feature))
        self._hooks.extend(norm.register_forward_pre_hook(self._measure) for norm in self._norms)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self.take()

    def take(self) -> tuple[Tensor | None, tuple[Tensor, ...]]:
        """The embedding, and how far each batch norm's batch was from what it keeps; cleared."""
        found = self._feature, tuple(self._distances)
        self._feature, self._distances = None, []
        return found

    def _keep_feature(self, module: nn.Module, given: tuple[Any, ...]) -> None:  # noqa: ARG002
        self._feature = given[0]

    def _measure(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        self._distances.append(batch_norm_distance(given[0], module.running_mean, module.running_var))  # type: ignore[arg-type]


def kept_norms(net: nn.Module) -> list[nn.Module]:
    """The net's batch norms that keep statistics, in their order."""
    return [module for module in net.modules() if isinstance(module, _BatchNorm) and module.running_mean is not None]
