"""A trained net and what the study's compression passes make of it: what is tested, timed and exported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kdsearch import registry
from kdsearch.errors import KdsearchError, first_line
from kdsearch.study.trained import read_record, trained_net

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.candidates.space import Candidate
    from kdsearch.compress.base import CompressionPass
    from kdsearch.study.planning import Study


def final_net(study: Study, candidate: Candidate, name: str) -> nn.Module:
    """The trained net after the study's passes, in evaluation mode; the full net is left whole, to compare with."""
    net = trained_net(study, candidate, name)
    return net if _is_full(study, candidate) else compress(study, net)


def compress(study: Study, net: nn.Module) -> nn.Module:
    """What the passes make of a net, in the study's order.

    Raises:
        KdsearchError: a pass failed; the message names it.
    """
    for plugin in study.spec.compress:
        made: CompressionPass = registry.find("kdsearch.compress", plugin.name)(plugin.options)
        try:
            net = made.apply(net, study.ctx)
        except (RuntimeError, ValueError) as error:
            raise KdsearchError(
                f"compress: {plugin.name} failed: {first_line(error)}; leave it out of compress"
            ) from error
    return net.eval()


def final_costs(study: Study, candidate: Candidate, net: nn.Module) -> dict[str, int]:
    """What the net of ``final_net`` costs: in closed form, or counted on it where passes changed it."""
    from kdsearch.cost.flops import count_costs

    if not study.spec.compress or _is_full(study, candidate):
        return study.ctx.widths.costs(candidate)
    return count_costs(net, study.task.image_shape)


def validated(study: Study, candidate: Candidate, name: str, net: nn.Module) -> Mapping[str, float]:
    """Metrics of the net of ``final_net`` on the validation part; those of the training where no pass changed it."""
    if not study.spec.compress or _is_full(study, candidate):
        metrics: Mapping[str, float] = read_record(study, name)["metrics"]
        return metrics
    return study.ctx.task.evaluate(net, "validation", device=study.ctx.device)


def _is_full(study: Study, candidate: Candidate) -> bool:
    return candidate.widths == study.ctx.widths.full.widths
