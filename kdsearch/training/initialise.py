"""Fresh weights for a net of any architecture."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd


def initialise(model: nn.Module, seed: int) -> None:
    """Gives all that ``model`` trains fresh values, the same for the same seed; torch's own generator is left alone.

    Convolutions: normal with deviation sqrt(2 / fan-out), where fan-out counts one group's channels (He et al. 2015,
    sec. 2.2), biases 0. Other layers: what their own ``reset_parameters`` does. What neither reaches, such as an
    embedding of positions or a gain, is drawn from a normal with the mean and deviation of the values that it has: what
    these learned is gone, the size that their author gave them stays, and a constant stays itself. Frozen parameters,
    and the statistics of layers that have no others, keep their values. ``unrenewed`` names what cannot be drawn anew.
    """
    kept = _kept(model)
    before = [tensor.detach().clone() for tensor in kept]
    trained = {parameter: parameter._version for parameter in model.parameters() if parameter.requires_grad}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for module in model.modules():
            if isinstance(module, _ConvNd):
                _initialise_convolution(module)
            elif callable(reset := getattr(module, "reset_parameters", None)):
                reset()
        with torch.no_grad():
            for parameter, version in trained.items():
                if parameter._version == version:  # a reset that writes past the count leaves values to draw from, too
                    _draw_alike(parameter)
    with torch.no_grad():
        for tensor, value in zip(kept, before, strict=True):
            tensor.copy_(value)


def unrenewed(model: nn.Module, moved: Collection[str] = ()) -> list[str]:
    """The names of what training changes and ``initialise`` cannot draw anew.

    Those are single numbers, and ``moved``, the buffers that a training step changes, outside layers with a reset.
    """
    numbers = [name for name, value in model.named_parameters() if value.requires_grad and value.numel() == 1]
    return [name for name in [*numbers, *moved] if not _is_reset(model, name)]


def _is_reset(model: nn.Module, name: str) -> bool:
    """Whether the module that holds this parameter has a reset of its own."""
    holder = model.get_submodule(name.rpartition(".")[0])
    return isinstance(holder, _ConvNd) or callable(getattr(holder, "reset_parameters", None))


def _kept(model: nn.Module) -> list[Tensor]:
    """Frozen parameters, and the buffers of modules whose own parameters are all frozen."""
    kept: list[Tensor] = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            kept += module.buffers(recurse=False)
    return kept


def _draw_alike(parameter: Tensor) -> None:
    if bool((parameter == parameter.flatten()[0]).all()):
        return
    deviation, mean = torch.std_mean(parameter, correction=0)
    noise = torch.randn(parameter.shape).to(parameter)  # drawn on the CPU: the same on every device
    parameter.copy_(noise.mul_(deviation).add_(mean))


def _initialise_convolution(conv: _ConvNd) -> None:
    fan_out = conv.out_channels // conv.groups * math.prod(conv.kernel_size)
    nn.init.normal_(conv.weight, std=math.sqrt(2 / fan_out))
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
