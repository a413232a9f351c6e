"""A trained full net as the PruningNet's start, with the channels of every group sorted by importance.

A crop keeps leading channels, so sorting makes the crop of a trained net keep what matters most.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kdsearch.data.seeds import mix_seed, seeded
from kdsearch.losses.pointwise import cross_entropy
from kdsearch.pruningnet.supernet import LabelLoss
from kdsearch.training.loop import Setting
from kdsearch.training.net import train_net
from kdsearch.widths.channel_order import channel_sums, permuted

if TYPE_CHECKING:
    from kdsearch.spec.sections import Recipe
    from kdsearch.tasks.base import Task
    from kdsearch.widths.space import WidthSpace


def pretrain(net: nn.Module, task: Task, recipe: Recipe, setting: Setting) -> dict[str, float]:
    """Trains ``net`` in place; its headline figure on the validation part and the history's length.

    A pretraining that is finished already is read from the setting's checkpoint and not repeated.
    """
    history = train_net(net, task, recipe, setting)
    measured = task.evaluate(net, "validation", device=setting.device)
    return {task.metric.validation: measured[task.metric.name], "epochs": float(len(history))}


def sort_channels(
    net: nn.Module,
    widths: WidthSpace,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    seed: int = 0,
    loss: LabelLoss = cross_entropy,
) -> None:
    """Reorders the channels of every group of ``net`` in place, most important first; the net computes the same.

    Importance is the first-order Taylor estimate of the loss that a channel's removal costs: (sum of w dL/dw over what
    belongs to the channel)^2, summed over batches (Molchanov et al. 2019, eq. 8).

    ``seed``: of dropout; ``loss``: the task's.
    """
    parameters = dict(net.named_parameters())
    buffers = {name: value.clone() for name, value in net.named_buffers()}
    scores = {group.name: torch.zeros(1, dtype=torch.float64) for group in widths.groups}
    net.train()
    for step, (image_BCHW, label_B) in enumerate(batches):
        net.zero_grad()
        with seeded(mix_seed(seed, step, 9), image_BCHW.device):
            logits_BC = net(image_BCHW)
        loss(logits_BC, label_B, 0.0).backward()
        products = {name: (p * p.grad).detach() for name, p in parameters.items() if p.grad is not None}
        for name, sums in channel_sums(widths, products).items():
            scores[name] = scores[name] + sums.square()
    net.zero_grad(set_to_none=True)
    order = {name: score.argsort(descending=True, stable=True) for name, score in scores.items()}
    with torch.no_grad():
        for name, value in permuted(widths, order, parameters | buffers).items():
            held = parameters[name] if name in parameters else net.get_buffer(name)
            held.copy_(value)
