"""Gradients for generators where a teacher only answers: of the student in its place, or from differences of answers.

Experimental. B: batch, C: channels of images, classes of logits, H and W: pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_STEP = 0.01  # how far along a direction of length 1 an image is moved: answers are float32


def borrow_gradients(teacher_BC: Tensor, rival_BC: Tensor) -> Tensor:
    """The teacher's logits with the gradients of the rival's, which has learned to answer alike."""
    return rival_BC + (teacher_BC - rival_BC).detach()


def difference_logits(ask: Callable[[Tensor], Tensor], image_BCHW: Tensor, directions: int) -> Tensor:
    """What ``ask`` says, logits BC, with gradients by forward differences (DFME, Truong et al. 2021).

    Each image is asked about once, and once more moved along each of so many random directions when gradients are
    wanted; what comes of them is right on average. Directions come from torch's generator of the CPU.
    """
    logits_BC: Tensor = _Differences.apply(image_BCHW, ask, directions)
    return logits_BC


class _Differences(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image_BCHW: Tensor, ask: Callable[[Tensor], Tensor], directions: int) -> Tensor:
        logits_BC = ask(image_BCHW)
        ctx.ask, ctx.directions = ask, directions
        ctx.save_for_backward(image_BCHW, logits_BC)
        return logits_BC

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, None, None]:
        (gradient_BC,) = given
        image_BCHW, logits_BC = ctx.saved_tensors
        found_BCHW = torch.zeros_like(image_BCHW)
        for _ in range(ctx.directions):
            direction_BCHW = _draw_directions(image_BCHW)
            moved_BC = ctx.ask(image_BCHW + _STEP * direction_BCHW)
            slope_B = ((moved_BC - logits_BC) * gradient_BC).sum(1) / _STEP
            found_BCHW += slope_B.view(-1, 1, 1, 1) * direction_BCHW
        # a direction of n numbers shows one n-th of the gradient's square on average
        return found_BCHW * (image_BCHW[0].numel() / ctx.directions), None, None


def _draw_directions(image_BCHW: Tensor) -> Tensor:
    """One random direction of length 1 an image."""
    drawn_BCHW = torch.randn(image_BCHW.shape).to(image_BCHW.device)
    return drawn_BCHW / drawn_BCHW.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


class Renormalised(nn.Module):
    """A net that is given images normalised by other numbers than those that it reads them by."""

    def __init__(self, net: nn.Module, given: tuple[Sequence[float], ...], read: tuple[Sequence[float], ...]) -> None:
        super().__init__()
        self.net = net
        pairs = list(zip(*given, *read, strict=True))
        self._scale = [spread / std for _, spread, _, std in pairs]
        self._shift = [(middle - mean) / std for middle, _, mean, std in pairs]

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """What the net says of the same images."""
        logits_BC: Tensor = self.net(self.translate(image_BCHW))
        return logits_BC

    def translate(self, image_BCHW: Tensor) -> Tensor:
        """The images as the net reads them; to the bit as they are given where the numbers are the same."""
        scale, shift = (
            torch.tensor(numbers, device=image_BCHW.device).view(1, -1, 1, 1) for numbers in (self._scale, self._shift)
        )
        return image_BCHW * scale + shift
