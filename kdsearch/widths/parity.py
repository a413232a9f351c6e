"""Whether the two ways to run a gene agree: the cropped forward of the full net, and the compact net built for it.

A fresh net hides mistakes. Its batch norms, never trained, let the signal fade until the logits no longer depend on the
image, and branches that start at zero say nothing at all. So the two are compared a second time where every channel
matters: constants of the net become random numbers, and batch norms take the statistics of the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from kdsearch.errors import WidthError
from kdsearch.tracing.unchanged import unchanged

if TYPE_CHECKING:
    from kdsearch.candidates.space import Candidate
    from kdsearch.widths.space import WidthSpace

_IMAGES = 4
_LEAST_SPREAD = (
    3e-4  # outputs that differ between images by a smaller share of themselves tell crops apart no better than rounding
)


def find_gaps(widths: WidthSpace, gene: Candidate, batch: Tensor) -> tuple[float, float | None]:
    """The largest differences of cropped forward and compact build, as the net stands and with every channel at work.

    The first is of ``batch`` and relative to max(1, largest output); the second of random patterns and relative to how
    far their outputs lie apart, None if they do not, so that nothing can be told.

    Raises:
        WidthError: an output is not finite, or not of the full net's shape.
    """
    with unchanged(widths.net), torch.random.fork_rng(devices=[]):
        return _find_gaps(widths, gene, batch)


def _find_gaps(widths: WidthSpace, gene: Candidate, batch: Tensor) -> tuple[float, float | None]:
    cropped, compact = _outputs(widths, gene, batch, widths.layout.slots.tensors())
    _compare_shapes(widths, batch, cropped, compact)
    largest = float(compact.abs().max())
    gap = float((cropped - compact).abs().max()) / max(1.0, largest)
    cropped, compact = _outputs(widths, gene, _draw_patches(batch), _shake(widths), at_work=True)
    if not bool(compact.isfinite().all() and cropped.isfinite().all()):
        raise WidthError("the cropped net or its compact build gives numbers that are not finite")
    spread = float((compact - compact.mean(0)).abs().max())
    if spread <= _LEAST_SPREAD * float(compact.abs().max()):
        return gap, None
    return gap, float((cropped - compact).abs().max()) / spread


def _compare_shapes(widths: WidthSpace, batch: Tensor, cropped: Tensor, compact: Tensor) -> None:
    with torch.no_grad(), _modes(widths.net, at_work=False):
        full = widths.net(batch)
    for kind, output in (("cropped net", cropped), ("compact build", compact)):
        if output.shape != full.shape:
            raise WidthError(f"the {kind} gives {tuple(output.shape)}, the full net {tuple(full.shape)}")


def _outputs(
    widths: WidthSpace, gene: Candidate, batch: Tensor, tensors: Mapping[str, Tensor], *, at_work: bool = False
) -> tuple[Tensor, Tensor]:
    compact = widths.build(gene, tensors)
    with torch.no_grad():
        with _modes(compact, at_work=at_work):
            reference = compact(batch)
        with _modes(widths.net, at_work=at_work), widths.applied(gene, widths.crop(gene, tensors)):
            cropped = widths.net(batch)
    return cropped.float(), reference.float()


@contextmanager
def _modes(net: nn.Module, *, at_work: bool) -> Iterator[None]:
    """Evaluation, but for batch norms if the net is to be ``at_work``; every module's own mode comes back."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    for module, _ in modes:
        module.training = at_work and isinstance(module, _BatchNorm)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _draw_patches(batch: Tensor) -> Tensor:
    """Images of the batch's size with large patches at random: noise and photographs of one kind are too much alike."""
    count, channels, height, width = batch.shape
    source = torch.Generator().manual_seed(1)
    patches = torch.randn(max(_IMAGES, count), channels, 4, 4, generator=source)
    return F.interpolate(patches, (height, width), mode="nearest").to(batch)


def _shake(widths: WidthSpace) -> dict[str, Tensor]:
    """The net's tensors, those of the parameters that are one constant (as fresh norms and biases are) at random.

    Copies: batch norms that see the batch write their statistics into them.
    """
    slots = widths.layout.slots
    source = torch.Generator().manual_seed(0)
    shaken = {name: tensor.detach().clone() for name, tensor in slots.tensors().items()}
    for name in slots.parameters:
        tensor = shaken[name]
        if tensor.numel() > 1 and bool((tensor == tensor.flatten()[0]).all()):
            centre = (
                0.0 if float(tensor.flatten()[0]) == 0 else 1.0
            )  # drawn about 0 like a bias, or about 1 like a gain
            tensor.copy_(centre + torch.rand(tensor.shape, generator=source) - 0.5)
    return shaken
