"""Search spaces with closed-form costs, as width spaces have them, for tests that need no net."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import strategies as st

from kdsearch.candidates.space import Candidate, Choice, Costs, Measure, SearchSpace

SCALES = [(10 + 3 * step) / 100 for step in range(31)]  # the paper's
_STAGES = (44, 22, 33, 44, 88, 132, 224, 448)
_REPEATS = (1, 1, 2, 3, 4, 3, 3, 1)
_STRIDES = (2, 1, 2, 2, 2, 1, 2, 1)


def chain(count: int, full: int = 64, divisor: int = 8) -> tuple[SearchSpace, Measure]:
    """``count`` layers in a row, each of so many channels at most; MACs are the products of neighbours."""
    widths = tuple(range(divisor, full + 1, divisor))
    space = SearchSpace(Choice(f"layer{place:02d}", widths) for place in range(count))

    def measure(candidate: Candidate) -> Costs:
        kept = [3, *(int(value) for _, value in candidate.pairs), 10]
        products = [before * after for before, after in pairwise(kept)]
        return {"macs": sum(products), "parameters": sum(kept)}

    return space, measure


def mobilenet_v2() -> tuple[SearchSpace, Measure]:
    """The paper's 25 ids of MobileNetV2 x1.4 and its MACs at 224 pixels, counted by hand."""
    choices = [Choice(f"stage{place}", _widths(base)) for place, base in enumerate(_STAGES)]
    blocks: list[tuple[str, str, str, int]] = []
    before, base_before = "stage0", _STAGES[0]
    for stage in range(1, 8):
        for turn in range(_REPEATS[stage]):
            name = f"mid{len(blocks):02d}"
            expansion = 1 if stage == 1 else 6
            choices.append(Choice(name, _widths(base_before * expansion)))
            blocks.append((before, name, f"stage{stage}", _STRIDES[stage] if turn == 0 else 1))
            before, base_before = f"stage{stage}", _STAGES[stage]

    def measure(candidate: Candidate) -> Costs:
        kept = {name: int(value) for name, value in candidate.pairs}
        pixels = 112 * 112
        macs = pixels * 27 * kept["stage0"]
        for source, mid, target, stride in blocks:
            macs += pixels * kept[source] * kept[mid]
            pixels //= stride * stride
            macs += pixels * kept[mid] * (9 + kept[target])
        return {"macs": macs + pixels * kept["stage7"] * 1280 + 1_280_000}

    return SearchSpace(choices), measure


def _widths(base: int) -> tuple[int, ...]:
    return tuple(sorted({int(base * scale + 1e-9) for scale in SCALES}))


@st.composite
def product_spaces(draw: st.DrawFn) -> tuple[SearchSpace, Measure]:
    """Spaces of 2 to 5 layers of any widths, and MACs that are sums of products of random pairs of them."""
    count = draw(st.integers(2, 5))
    choices = [
        Choice(f"p{place:02d}", tuple(sorted(draw(st.sets(st.integers(1, 300), min_size=2, max_size=5)))))
        for place in range(count)
    ]
    pairs = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), min_size=1, max_size=8))
    factors = [draw(st.integers(1, 50)) for _ in pairs]

    def measure(candidate: Candidate) -> Costs:
        kept = [int(value) for _, value in candidate.pairs]
        terms = (kept[one] * kept[two] * factor for (one, two), factor in zip(pairs, factors, strict=True))
        return {"macs": sum(terms), "parameters": sum(kept)}

    return SearchSpace(choices), measure


def ends(space: SearchSpace, measure: Measure, cost: str = "macs") -> tuple[float, float]:
    """The costs of the smallest and of the full candidate."""
    smallest = Candidate(tuple((choice.name, min(choice.values)) for choice in space.parameters))
    full = Candidate(tuple((choice.name, max(choice.values)) for choice in space.parameters))
    return measure(smallest)[cost], measure(full)[cost]


def between(low: float, high: float, share: float) -> float:
    """The number that lies ``share`` of the way from low to high on a logarithmic scale."""
    return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
