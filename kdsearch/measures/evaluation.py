"""A net's figures on images.

B: batch, C: classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdsearch.data.augment import normalise
from kdsearch.data.images import ImageSet
from kdsearch.measures.layout import image_layout

_WORST = 100.0  # nats: what an image costs at most: one on which a net is sure and wrong shall not outweigh thousands
_CHUNK = 64
_CHUNK_ON_GPU = 512


def chunk_size(device: torch.device) -> int:
    """Images classified at once: on a CPU few, since the features of many leave its caches.

    Measured on one busy thread at 32 pixels, 250 images take against 64, for each image: 1.5 times as long in
    MobileNetV2, 1.27 in ResNet-20, 1.1 in VGG-11, 1.0 in VGG-16, 0.9 in LeNet-5.
    """
    return _CHUNK_ON_GPU if device.type == "cuda" else _CHUNK


@dataclass(frozen=True, slots=True)
class Sums:
    """Over so many images: of their figure, of its square, and of their loss."""

    figure: float
    squares: float
    loss: float
    images: int


def judge_images(  # noqa: PLR0913 - what the figures depend on, all of it
    model: nn.Module,
    images: ImageSet,
    judge: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    device: torch.device,
    batch_size: int,
    limit: int | None = None,
) -> Sums:
    """What ``judge`` makes of the outputs and labels of a batch, (B, B): each image's figure and its loss, summed.

    Of images that have targets those are the labels. ``limit`` images: a random sample, always the same.
    """
    chosen = _choose(images, limit)
    total_3 = torch.zeros(3, dtype=torch.float64, device=device)
    layout = image_layout(model)
    with evaluating(model), torch.inference_mode():
        for image_BCHW, labels in _read_batches(chosen, batch_size, mean=mean, std=std, device=device):
            figure_B, loss_B = judge(model(image_BCHW.to(memory_format=layout)), labels)
            figure_B = figure_B.double()
            total_3 += torch.stack([figure_B.sum(), figure_B.square().sum(), loss_B.double().sum()])
    figure, squares, loss = total_3.tolist()
    return Sums(figure, squares, loss, len(chosen))


def _choose(images: ImageSet, limit: int | None) -> ImageSet:
    """All images, or so many of them: a random sample, always the same."""
    return images if limit is None or limit >= len(images) else images.subset(_sample(len(images), limit))


def _read_batches(
    images: ImageSet, size: int, *, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised pixels, BCHW, and labels or targets of each batch, in order."""
    for start in range(0, len(images), size):
        pixels = images.images_NCHW[start : start + size].to(device)
        yield normalise(pixels, mean, std), images.learned[start : start + size].to(device)


def take_answers(logits_BC: Tensor) -> Tensor:
    """The class that each image is taken for, B; -1 where a logit is not finite."""
    return torch.where(logits_BC.isfinite().all(1), logits_BC.argmax(1), -1)


def count_confusions(answer_N: Tensor, label_N: Tensor, num_classes: int) -> Tensor:
    """How many images of each class (row) were given each answer (column), CC; an answer of -1 is none."""
    said = answer_N >= 0
    pair_N = label_N[said] * num_classes + answer_N[said]
    return torch.bincount(pair_N, minlength=num_classes**2).reshape(num_classes, num_classes)


def judge_logits(logits_BC: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Which images are classified right, and each one's cross-entropy in nats (float64), at most 100.

    ``labels``: B classes, or BC targets, of which the likeliest class is right. An image with a logit that is not
    finite is wrong, at 100 nats.
    """
    finite_B = logits_BC.isfinite().all(1)
    right_B = (logits_BC.argmax(1) == (labels if labels.ndim == 1 else labels.argmax(1))) & finite_B
    loss_B = F.cross_entropy(logits_BC.float(), labels, reduction="none")
    return right_B, torch.where(finite_B, loss_B, _WORST).clamp_max(_WORST).double()


def share_error(hits: float, count: int) -> float:
    """The standard error of a share, as far as one more hit and one more miss let it be known.

    sqrt(q (1 - q) / (n + 2)) with q = (hits + 1) / (n + 2): of few images a share of 0 or of 1 is not certain, as
    sqrt(p (1 - p) / n) would have it.
    """
    share = (hits + 1) / (count + 2)
    return float((share * (1 - share) / (count + 2)) ** 0.5)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The net in evaluation mode; every module's own mode comes back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _sample(count: int, limit: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:limit].sort().values
