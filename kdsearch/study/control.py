"""The net that a search has to beat: widths as even as the limits allow, and as much of them used as can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kdsearch.candidates.repair import find_inside
from kdsearch.candidates.space import Candidate, SearchSpace, Windows
from kdsearch.errors import InfeasibleError

if TYPE_CHECKING:
    from kdsearch.widths.space import WidthSpace

_STEPS = 400
_FULL = 0.97  # uniform widths that use this share of the first limit need no tilt
_BEST = 0.995  # a control that uses this share of the first limit is not improved further
_SWAPS = 4
_TILTS = tuple(sign * step / 10 for step in range(1, 31) for sign in (1, -1))  # mild tilts first


def uniform_gene(widths: WidthSpace, windows: Windows) -> Candidate:
    """The gene of one scale for all widths that uses as much of the first limit as the others allow.

    Widths come in steps, so no uniform gene need hit the budget exactly: the widths of single groups are then raised
    one step at a time, in rounds through the net, until no other step fits, and if much is left unused, steps up are
    paid for by steps down elsewhere. Where that cannot help either, as with two limits of which the second binds, all
    widths are scaled in proportion to the depth, by the mildest tilt that fills the first limit to a two-hundredth, or
    else by the one that fills it most: a control is never cheaper than it need be. What is left outside
    the windows then is moved into them in as few steps as are found: whatever a search may find inside, its control is
    inside too. ``origin`` says which of these it was.
    """
    plain = _swap(widths, _top_up(widths, _scaled(widths, windows, 0.0), windows), windows)
    if _is_full(widths, plain, windows):
        return replace(plain, origin="uniform widths")
    filled = _tilted(widths, plain, windows)
    return filled if _is_inside(widths, filled, windows) else _moved_inside(widths, filled, windows)


def _tilted(widths: WidthSpace, plain: Candidate, windows: Windows) -> Candidate:
    """The gene of the mildest tilt that fills the first limit, or that fills it most; perhaps the plain one."""
    best, best_tilt = plain, 0.0
    for tilt in _TILTS:
        tilted = _top_up(widths, _scaled(widths, windows, tilt), windows)
        if _used(widths, tilted, windows) > _used(widths, best, windows):
            best, best_tilt = tilted, tilt
        if _is_best(widths, best, windows):
            break
    filled = _swap(widths, best, windows)
    return replace(filled, origin="uniform widths tilted over the depth" if best_tilt else "uniform widths")


def _moved_inside(widths: WidthSpace, gene: Candidate, windows: Windows) -> Candidate:
    """A gene inside the windows near this one, from which no group can be moved towards it; itself if none is found."""
    space = SearchSpace(widths.parameters())
    try:
        found = find_inside(space, widths.costs, windows, np.random.default_rng(0), gene)
    except InfeasibleError:
        return gene
    before = None
    while before != found:
        before = found
        for group in widths.groups:
            place, wanted = (group.choices.index(int(each.values[group.name])) for each in (found, gene))
            for nearer in range(wanted, place, 1 if wanted < place else -1):
                moved = Candidate.of(found.values | {group.name: group.choices[nearer]})
                if _is_inside(widths, moved, windows):
                    found = moved
                    break
    return replace(found, origin="uniform widths moved into the limits")


def _scaled(widths: WidthSpace, windows: Windows, tilt: float) -> Candidate:
    """The largest gene within the limits whose first group has 2^``tilt`` times, its last 2^-``tilt`` the scale."""
    best = widths.smallest
    low, high = 0, _STEPS
    while low < high:
        middle = (low + high + 1) // 2
        gene = _at_scale(widths, middle / _STEPS, tilt)
        if _fits(widths, gene, windows):
            best, low = gene, middle
        else:
            high = middle - 1
    return best


def _at_scale(widths: WidthSpace, scale: float, tilt: float) -> Candidate:
    last = max(1, len(widths.groups) - 1)
    nearest = {}
    for place, group in enumerate(widths.groups):
        wanted = scale * 2 ** (tilt * (1 - 2 * place / last)) * group.width
        nearest[group.name] = min(group.choices, key=lambda width: abs(width - wanted))
    return Candidate.of(nearest)


def _top_up(widths: WidthSpace, gene: Candidate, windows: Windows) -> Candidate:
    """The gene with one step more in every group where the limits allow, in rounds, until none does."""
    before = None
    while before != gene:
        before = gene
        for group in widths.groups:
            above = group.choices.index(int(gene.values[group.name])) + 1
            if above < len(group.choices):
                raised = Candidate.of(gene.values | {group.name: group.choices[above]})
                gene = raised if _fits(widths, raised, windows) else gene
    return gene


def _swap(widths: WidthSpace, gene: Candidate, windows: Windows) -> Candidate:
    """The gene after up to four exchanges of a step down for a step up elsewhere that use more of the first limit."""
    for _ in range(_SWAPS):
        if not windows or _is_best(widths, gene, windows):
            break
        swapped = (raised for lowered in _steps(widths, gene, -1) for raised in _steps(widths, lowered, 1))
        fitting = [each for each in swapped if _fits(widths, each, windows)]
        best = max(fitting, key=lambda each: _used(widths, each, windows), default=gene)
        if _used(widths, best, windows) <= _used(widths, gene, windows):
            break
        gene = _top_up(widths, best, windows)
    return gene


def _steps(widths: WidthSpace, gene: Candidate, step: int) -> Iterator[Candidate]:
    """The genes with one group's width a step of its choices up or down, in the order of the groups."""
    values = gene.values
    for group in widths.groups:
        place = group.choices.index(int(values[group.name])) + step
        if 0 <= place < len(group.choices):
            yield Candidate.of(values | {group.name: group.choices[place]})


def _used(widths: WidthSpace, gene: Candidate, windows: Windows) -> float:
    """Which share of the first limit a gene uses; all of it where nothing is limited."""
    return widths.costs(gene)[windows[0].cost] / windows[0].high if windows else 1.0


def _is_full(widths: WidthSpace, gene: Candidate, windows: Windows) -> bool:
    """Whether it uses so much of the first limit that no tilt is wanted, the lower end of its window at least."""
    return _used(widths, gene, windows) >= _FULL and _is_inside(widths, gene, windows)


def _is_best(widths: WidthSpace, gene: Candidate, windows: Windows) -> bool:
    """Whether nothing need be added to what it uses of the first limit."""
    return _used(widths, gene, windows) >= _BEST and _is_inside(widths, gene, windows)


def _is_inside(widths: WidthSpace, gene: Candidate, windows: Windows) -> bool:
    costs = widths.costs(gene)
    return all(window.miss(costs) == 0 for window in windows)


def _fits(widths: WidthSpace, gene: Candidate, windows: Windows) -> bool:
    costs = widths.costs(gene)
    return all(costs[window.cost] <= window.high for window in windows)
