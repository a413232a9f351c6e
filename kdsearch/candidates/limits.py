"""What a study's limits mean for its net: one tuple of windows a budget."""

from __future__ import annotations

import logging

from kdsearch.candidates.space import Costs, Window, Windows
from kdsearch.errors import InfeasibleError
from kdsearch.spec.limits_sections import Bound, Limits

_log = logging.getLogger(__name__)


def resolve(limits: Limits, full: Costs, smallest: Costs, *, net: str = "student") -> tuple[Windows, ...]:
    """The windows of each budget, in the costs' own units; one budget without windows where nothing is limited.

    ``full`` and ``smallest`` are the costs of the whole net and of its narrowest crop. A limit that lists several
    bounds makes as many budgets, and the other limits hold in each. The first limit, in the order macs, parameters,
    size_bytes, has a lower end too, unless ``limits.window`` is null.

    Raises:
        InfeasibleError: even the smallest net exceeds a limit.
    """
    highs = {
        cost: tuple(_high(cost, bound, full, smallest, net) for bound in given) for cost, given in limits.bounds.items()
    }
    budgets = max((len(given) for given in highs.values()), default=1)
    return tuple(_windows(highs, place, limits.window) for place in range(budgets))


def _windows(highs: dict[str, tuple[float, ...]], budget: int, window: float | None) -> Windows:
    windows: list[Window] = []
    for cost, given in highs.items():
        high = given[budget] if len(given) > 1 else given[0]
        low = high * (1 - window) if window is not None and not windows else None
        windows.append(Window(cost, low, high))
    return tuple(windows)


def _high(cost: str, bound: Bound, full: Costs, smallest: Costs, net: str) -> float:
    high = bound.resolve(full[cost])
    if smallest[cost] > high:
        found = f"limits.{cost} is {high:,.0f}; the smallest {net} has {smallest[cost]:,.0f}"
        raise InfeasibleError(f"{found}; raise the limit")
    if high > full[cost]:
        _log.warning("limits.%s is %s, but the full %s has only %s", cost, f"{high:,.0f}", net, f"{full[cost]:,.0f}")
        return full[cost]
    return high
