"""From a net in whatever state it arrives to a plain one of the same function, or a line that says what to do.

What is plain: parameters and buffers of real numbers of 32 bits, one tensor of logits in evaluation and in training,
and nothing kept between two calls but buffers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.errors import SpecError, first_line
from kdsearch.models.kept_maps import let_go_of_maps
from kdsearch.models.main_output import find_outputs, keep_evaluated_output, keep_main_output
from kdsearch.models.recomputing import avoid_reentrance
from kdsearch.models.refusing import (
    refuse_foreign_tensors,
    refuse_frozen,
    refuse_hidden_modules,
    refuse_untrainable,
    refuse_unusable,
    refuse_without_gradients,
)
from kdsearch.models.rows import refuse_mixed_rows
from kdsearch.models.unwrapping import drop_hooks, unwrap_children, unwrap_layers, unwrap_root
from kdsearch.tracing.copying import copy_net, is_lazy
from kdsearch.tracing.tracer import FOREIGN_ERRORS
from kdsearch.tracing.unchanged import unchanged
from kdsearch.weights import hash_weights

log = logging.getLogger(__name__)

WHO = "student: the module that was passed"
_SEED = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """What a net is tried on: two images of the task, its number of classes, and how messages call the net."""

    image_BCHW: Tensor
    num_classes: int
    who: str = WHO


def hash_given(net: object, who: str = WHO) -> str:
    """The SHA-256 of the tensors of a net as it was passed, wrappers aside; lazy ones have no values yet.

    Raises:
        SpecError: it is no net, or in a state from which no plain one follows.
    """
    root = unwrap_root(net)
    refuse_unusable(root, who)
    assert isinstance(root, nn.Module)
    tensors = [*root.named_parameters(), *root.named_buffers()]
    return hash_weights({name: tensor for name, tensor in tensors if not is_lazy(tensor)})


def make_plain(net: object, trial: Trial) -> nn.Module:
    """A plain copy of ``net`` in training mode, on the device of the trial's images.

    Its logits in evaluation are those of ``net``: compared once wrappers, re-parametrisations and hooks are gone.

    Raises:
        SpecError: it is no net, or in a state from which no plain one follows.
    """
    root = unwrap_root(net)
    refuse_unusable(root, trial.who)
    assert isinstance(root, nn.Module)
    own = _copied(root, trial)
    changes = unwrap_children(own)
    refuse_hidden_modules(own, trial.who)
    with torch.random.fork_rng(devices=[]):
        changes += _make_plain(own, trial)
    if changes:
        log.warning("%s was made plain: %s", trial.who, "; ".join(changes))
    return own.train()


def freeze_given(net: object, trial: Trial) -> nn.Module:
    """A frozen copy of ``net`` in evaluation mode, on the device of the trial's images, that gives its logits alone.

    Raises:
        SpecError: it is no net, or does not give a column a class for such images.
    """
    root = unwrap_root(net)
    refuse_unusable(root, trial.who)
    assert isinstance(root, nn.Module)
    own = _copied(root, trial)
    unwrap_children(own)
    own.float().requires_grad_(False)
    _outputs(own, trial)
    keep_evaluated_output(own, trial.image_BCHW, trial.num_classes, trial.who)
    return own


def _make_plain(own: nn.Module, trial: Trial) -> list[str]:
    """What was done to the copy, in place."""
    before = _outputs(own, trial)
    dtype = _dtype(own)
    changes = unwrap_layers(own, trial.image_BCHW.to(dtype)) + drop_hooks(own, lambda: _outputs(own, trial))
    own.float().to(memory_format=torch.contiguous_format)
    changes += [f"{dtype} parameters became torch.float32"] * (dtype != torch.float32)
    if changes:
        _compare(before, _outputs(own, trial), dtype, trial.who)
    with unchanged(own, but=_hooks(own)):
        changes += _tried(own, trial)
    return changes


def _hooks(net: nn.Module) -> list[Any]:
    return [held for key, held in vars(net).items() if "_hooks" in key]


def _tried(own: nn.Module, trial: Trial) -> list[str]:
    """What was done to a net without wrappers, by hooks on it alone, so that it trains and gives its logits."""
    with unchanged(own):  # what it computes there is not finite, and may stay in its buffers
        refuse_foreign_tensors(own, trial.image_BCHW, trial.who)
    refuse_frozen(own, trial.who)
    refuse_untrainable(own, trial.image_BCHW, trial.who)
    changes = _avoid_reentrance(own, trial)
    changes += let_go_of_maps(own, trial.image_BCHW)
    refuse_without_gradients(own, trial.image_BCHW, trial.who)
    keep_main_output(own, trial.image_BCHW, trial.num_classes, trial.who)
    refuse_mixed_rows(own, trial.image_BCHW, trial.who)
    return changes


def _avoid_reentrance(own: nn.Module, trial: Trial) -> list[str]:
    try:
        return avoid_reentrance(own, trial.image_BCHW)
    except FOREIGN_ERRORS as error:
        raise SpecError(
            f"{trial.who} does not run where gradients are kept: {first_line(error)}; change that"
        ) from error


def _copied(root: nn.Module, trial: Trial) -> nn.Module:
    try:
        return copy_net(root).to(trial.image_BCHW.device).eval()
    except FOREIGN_ERRORS as error:
        raise SpecError(
            f"{trial.who} cannot be copied: {first_line(error)}; take what holds a lock, a file or a process off"
        ) from error


def _dtype(net: nn.Module) -> torch.dtype:
    """What the net computes in: that of its first parameter with a fraction."""
    return next((p.dtype for p in net.parameters() if p.is_floating_point()), torch.float32)


def _outputs(net: nn.Module, trial: Trial) -> list[Tensor]:
    """All tensors that the net gives in evaluation, on images in its own precision."""
    image_BCHW = trial.image_BCHW.to(_dtype(net))
    try:
        if any(is_lazy(parameter) for parameter in net.parameters()):
            net(image_BCHW)  # it gets its shapes
        with torch.no_grad(), unchanged(net):
            torch.manual_seed(_SEED)
            return list(find_outputs(net(image_BCHW)).values())
    except FOREIGN_ERRORS as error:
        shape = "x".join(str(length) for length in image_BCHW.shape[1:])
        raise SpecError(
            f"{trial.who} cannot read images of {shape}: {first_line(error)}; change task.image_size, "
            "task.channels or the net"
        ) from error


def _compare(before: list[Tensor], after: list[Tensor], dtype: torch.dtype, who: str) -> None:
    """Raises SpecError where the plain net gives anything else than the net that arrived."""
    tolerance = max(1e-4, 30 * torch.finfo(dtype).eps)
    for old, new in zip(before, after, strict=True):
        gap = float((old.double() - new.double()).abs().max()) if old.numel() else 0.0
        if not gap <= tolerance * max(1.0, float(old.double().abs().max())):
            raise SpecError(
                f"{who} computes something else once its wrappers are taken off (by {gap:.2g}); "
                "pass a plain torch.nn.Module with plain parameters"
            )
