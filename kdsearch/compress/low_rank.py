"""Low rank: convolutions and linear layers as two thinner ones, by a truncated singular value decomposition."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

from pydantic import Field

from kdsearch.compress.base import CompressionPass
from kdsearch.spec.sections import Section

if TYPE_CHECKING:
    from torch import Tensor, nn

    from kdsearch.context import Context


class LowRank(CompressionPass):
    """Splits a layer into one of its own kernel with r outputs and a 1x1 one, where that saves multiply-adds.

    W (outputs x inputs * kernel) = U S V^T is cut after r singular values (Denton et al. 2014, section 3; the split of
    Zhang et al. 2016, without its fit to the layer's responses): no other net of rank r has nearer weights. Layers in
    groups, and layers whose weights a net reads itself instead of calling them, stay as they are.
    """

    class Options(Section):
        """``energy``: r is the smallest rank whose squared singular values sum to this share of all of them."""

        energy: float = Field(0.95, gt=0, le=1)

    options: Options

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        import torch

        made = copy.deepcopy(model).eval()
        with torch.no_grad():
            for name in _called_layers(made, torch.zeros(1, *ctx.task.image_shape, device=ctx.device)):
                parent = made.get_submodule(name.rpartition(".")[0])
                split = _split(cast("nn.Conv2d | nn.Linear", made.get_submodule(name)), self.options.energy)
                if split is not None:
                    setattr(parent, name.rpartition(".")[2], split)
        return made


def _called_layers(model: nn.Module, image_BCHW: Tensor) -> list[str]:
    """The names of plain convolutions and linear layers that a forward pass calls as modules, each once."""
    from torch import nn

    called: set[nn.Module] = set()
    hooks = [layer.register_forward_hook(lambda module, *_: called.add(module)) for layer in model.modules()]
    model(image_BCHW)
    for hook in hooks:
        hook.remove()
    kinds = (nn.Conv2d, nn.Linear)
    return [name for name, layer in model.named_modules() if type(layer) in kinds and layer in called and name]


def _split(layer: nn.Conv2d | nn.Linear, energy: float) -> nn.Module | None:
    """Two layers in place of one; None where they would cost no less."""
    import torch
    from torch import nn

    if isinstance(layer, nn.Conv2d) and (layer.groups != 1 or layer.padding_mode != "zeros"):
        return None
    flat_OK = layer.weight.detach().flatten(1).double()
    outputs, inputs = flat_OK.shape
    left_OR, singular_R, right_RK = torch.linalg.svd(flat_OK, full_matrices=False)
    share_R = singular_R.square().cumsum(0) / singular_R.square().sum().clamp_min(torch.finfo(torch.float64).tiny)
    rank = min(int((share_R < energy).sum()) + 1, len(singular_R))
    if rank * (outputs + inputs) >= outputs * inputs:
        return None
    root_R = singular_R[:rank].sqrt()
    first, second = _empty_pair(layer, rank)
    first.weight.copy_((root_R[:, None] * right_RK[:rank]).reshape(first.weight.shape))
    second.weight.copy_((left_OR[:, :rank] * root_R).reshape(second.weight.shape))
    if second.bias is not None and layer.bias is not None:
        second.bias.copy_(layer.bias)
    return nn.Sequential(first, second).to(layer.weight.device).eval()


def _empty_pair(layer: nn.Conv2d | nn.Linear, rank: int) -> tuple[nn.Conv2d | nn.Linear, nn.Conv2d | nn.Linear]:
    from torch import nn

    biased = layer.bias is not None
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features, bias=biased)
    first = nn.Conv2d(
        layer.in_channels,
        rank,
        layer.kernel_size,  # type: ignore[arg-type]
        layer.stride,  # type: ignore[arg-type]
        layer.padding,  # type: ignore[arg-type]
        layer.dilation,  # type: ignore[arg-type]
        bias=False,
    )
    return first, nn.Conv2d(rank, layer.out_channels, 1, bias=biased)
