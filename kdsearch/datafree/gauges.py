"""What fresh images of generators, and a student's answers, say of a training without data.

N: images, C: channels of images or classes, H and W: pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kdsearch.data.augment import normalise
from kdsearch.datafree.synthesiser import Synthesiser
from kdsearch.datafree.taps import SynthesisTaps, kept_norms
from kdsearch.losses.pointwise import kd_loss
from kdsearch.measures.evaluation import evaluating
from kdsearch.spec.synthesis_sections import FRESH

_EACH = 20  # so many of a class, were all alike, before its absence means something
_AT_ONCE = 500

Statistics = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Fresh:
    """Images that were made for an evaluation alone, and what the teacher says of them.

    ``batch_norm_distance``: how far its batch norms see them from what they keep, the sum over the norms; None without.
    """

    pixels_NCHW: Tensor
    logits_NC: Tensor
    batch_norm_distance: float | None


def make_fresh(synthesiser: Synthesiser, count: int = FRESH) -> Fresh:
    """So many images, made and shown in batches of the size that the generators learn with."""
    teacher, size = synthesiser.teacher, synthesiser.options.batch_size
    norms = bool(kept_norms(teacher.net))
    pixels, logits, distances = [], [], []
    for first in range(0, count, size):
        pixels.append(synthesiser.sample(min(size, count - first)))
        with SynthesisTaps(teacher.net, None, batch_norms=norms) as taps:
            logits.append(teacher.answer(pixels[-1], {})[0])
            distances.append(sum(map(float, taps.take()[1])))
    return Fresh(torch.cat(pixels), torch.cat(logits), sum(distances) / len(distances) if norms else None)


def class_entropy(logits_NC: Tensor) -> float:
    """How equal the classes of the answers are, 0 (one class) to 1 (as many of each).

    The entropy of their shares over the largest, with the correction of Miller (1955) for few images a class.
    """
    counts = torch.bincount(logits_NC.argmax(1), minlength=logits_NC.shape[1]).double()
    shares = counts[counts > 0] / counts.sum()
    entropy = float(-(shares * shares.log()).sum()) + (len(shares) - 1) / (2 * len(logits_NC))
    return min(1.0, entropy / math.log(logits_NC.shape[1]))


def absent_classes(logits_NC: Tensor) -> tuple[int, ...]:
    """The classes that no answer names; none where the images are too few to tell."""
    classes = logits_NC.shape[1]
    if len(logits_NC) < _EACH * classes:
        return ()
    counts = torch.bincount(logits_NC.argmax(1), minlength=classes)
    return tuple((counts == 0).nonzero().flatten().tolist())


def diversity(pixels_NCHW: Tensor) -> float:
    """The standard deviation of a pixel over the images, in grey levels, a mean over the pixels."""
    return float(pixels_NCHW.float().std(0, correction=0).mean())


def answer_all(
    student: nn.Module, pixels_NCHW: Tensor, statistics: Statistics, weights: Mapping[str, Tensor] | None = None
) -> Tensor:
    """The student's logits (NC, float32), in evaluation mode; with other ``weights`` if they are given."""
    device = next(student.parameters()).device
    own = {**dict(student.named_parameters()), **dict(student.named_buffers())} if weights is None else weights
    with torch.no_grad(), evaluating(student):
        parts = (normalise(part.to(device), *statistics) for part in pixels_NCHW.split(_AT_ONCE))
        return torch.cat([torch.func.functional_call(student, dict(own), (part,)).float() for part in parts])


def divergence(logits_NC: Tensor, taught_NC: Tensor) -> float:
    """Kullback-Leibler, in nats, of the student's answers from the teacher's."""
    return float(kd_loss(logits_NC, taught_NC.to(logits_NC.device).float()))


def agreement(logits_NC: Tensor, taught_NC: Tensor) -> float:
    """Share of images of which both say the same class."""
    return float((logits_NC.argmax(1) == taught_NC.to(logits_NC.device).argmax(1)).double().mean())
