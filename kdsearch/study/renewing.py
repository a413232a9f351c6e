"""Whether a student can be trained from scratch: tried once on its smallest net, before anything long runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from kdsearch.errors import SpecError, first_line

if TYPE_CHECKING:
    from torch import Tensor, nn

    from kdsearch.spec.sections import StudentOptions

log = logging.getLogger(__name__)

_NAMED = 5


def check_renewal(net: nn.Module, image_BCHW: Tensor, student: StudentOptions) -> None:
    """Trains ``net``, a compact one that is thrown away, forward once, and gives it fresh weights.

    A warning says what keeps what it has learned.

    Raises:
        SpecError: it does not run in training mode, or a layer's ``reset_parameters`` fails.
    """
    from kdsearch.tracing.tracer import FOREIGN_ERRORS
    from kdsearch.training.initialise import initialise, unrenewed

    try:
        moved = _moved(net, image_BCHW)
    except FOREIGN_ERRORS as error:
        raise SpecError(
            f"student: {student.label} does not run in training mode once it is cropped: {first_line(error)}; let its "
            "forward take any width there, too"
        ) from error
    if student.weights is not None or student.pretrained or student.trained:
        kept = unrenewed(net, moved)
        if kept:
            log.warning(
                "student: no fresh values can be drawn for %s%s of %s: nets that are trained from scratch start with "
                "those that it came with; give the module that holds them a reset_parameters()",
                ", ".join(kept[:_NAMED]),
                ", .." if len(kept) > _NAMED else "",
                student.label,
            )
    try:
        initialise(net, 0)
    except FOREIGN_ERRORS as error:
        raise SpecError(
            f"student: {student.label} cannot be given fresh weights once it is cropped: {first_line(error)}; let its "
            "reset_parameters() read the shapes of its tensors"
        ) from error


def _moved(net: nn.Module, image_BCHW: Tensor) -> list[str]:
    """The buffers that a step in training mode changes."""
    import torch

    before = {name: buffer.detach().clone() for name, buffer in net.named_buffers()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        net.train()(image_BCHW)
    return [name for name, buffer in net.named_buffers() if not torch.equal(buffer, before[name])]
