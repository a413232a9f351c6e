"""The costs of a net as one table: limits, searchers, reports and manifests read names, units and words from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["count", "bytes", "ms"]


@dataclass(frozen=True, slots=True)
class Cost:
    """One cost, lower is better. ``label``: a table's head; ``noun``: what follows its number in a sentence.

    ``closed_form``: known of a gene without building its net, so that a search can be limited by it; else it is
    measured on trained nets. ``counted``: how, in words.
    """

    name: str
    label: str
    noun: str
    unit: Unit
    closed_form: bool
    counted: str


COSTS = (
    Cost("macs", "MACs", "MACs", "count", True, "multiply-adds of convolutions and matrix products, one image"),
    Cost("parameters", "parameters", "parameters", "count", True, "elements of all parameters, shared ones once"),
    Cost(
        "size_bytes",
        "size",
        "",
        "bytes",
        True,
        "parameters and buffers as 32-bit floats; of an exported net its largest file",
    ),
    Cost("latency_ms", "latency", "", "ms", False, "frozen TorchScript, batch 1, one thread's processor time"),
)
"""A further cost is a row here and, if it has a closed form, a line in ``kdsearch.cost.flops.CostModel.costs``."""

HEADLINE = "macs"
"""The cost on the charts' axis and beside the live figures."""

LATENCY = "latency_ms"
"""The cost that is measured, of all nets of a run at once."""

FILE_SIZE = "size_bytes"
"""The cost that an exported file itself has."""

CLOSED_FORMS = tuple(cost.name for cost in COSTS if cost.closed_form)
"""The names of costs that a search can be limited by, the one that is limited first in front."""


def find_cost(name: str) -> Cost:
    """The row of this name.

    Raises:
        KeyError: there is none.
    """
    for cost in COSTS:
        if cost.name == name:
            return cost
    raise KeyError(name)


def is_cost(name: str) -> bool:
    """Whether the table has a row of this name."""
    return any(cost.name == name for cost in COSTS)
