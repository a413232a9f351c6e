"""Charts as inline SVG text, drawn small so that they stay readable on a phone; no dependency, no torch.

Colours are CSS classes, so that one drawing serves light and dark. Every mark that carries a ``<title>`` shows it on
hover or touch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 440, 280
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 42

Point = tuple[float, float]
Say = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values, its tick positions, what it shows and how a tick is said."""

    low: float
    high: float
    ticks: tuple[float, ...]
    label: str
    say: Say

    @classmethod
    def over(
        cls, values: Iterable[float], label: str, say: Say, *, floor: float | None = None, whole: bool = False
    ) -> Axis:
        """An axis that holds all finite values with a margin, with round ticks.

        ``floor``: no lower than this, for shares and counts. ``whole``: ticks at whole numbers only.
        """
        finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        margin = (high - low) * 0.06 or abs(high) * 0.05 or 0.5
        low, high = low - margin, high + margin
        if floor is not None:
            low = max(low, floor)
        ticks = _round_ticks(low, high)
        return cls(low, high, tuple(at for at in ticks if not whole or at == round(at)), label, say)

    def place(self, value: float) -> float:
        """Where the value lies, 0..1."""
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Frame:
    """The axes of one chart, and where a point lies on the picture."""

    x: Axis
    y: Axis

    def at(self, point: Point) -> Point:
        x = LEFT + self.x.place(point[0]) * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - self.y.place(point[1]) * (HEIGHT - TOP - BOTTOM)
        return round(x, 1), round(y, 1)

    def grid(self) -> str:
        """Grid lines, tick labels and axis names."""
        parts = []
        for tick in self.y.ticks:
            _, y = self.at((self.x.low, tick))
            parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
            parts.append(
                f'<text class="tick" x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{_text(self.y.say(tick))}</text>'
            )
        for tick in self.x.ticks:
            x, _ = self.at((tick, self.y.low))
            parts.append(f'<path class="notch" d="M{x} {HEIGHT - BOTTOM}v4"/>')
            label = _text(self.x.say(tick))
            parts.append(f'<text class="tick" x="{x}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{label}</text>')
        parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(
            f'<text class="name" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{_text(self.x.label)}</text>'
        )
        return "".join(parts)


def draw(frame: Frame, *layers: str, about: str) -> str:
    """The chart as one ``<svg>``; ``about`` is what a screen reader says of it."""
    inside = frame.grid() + "".join(layers)
    name = f'<text class="name" x="4" y="1">{_text(frame.y.label)}</text>'
    return f'<svg viewBox="0 -12 {WIDTH} {HEIGHT + 12}" role="img" aria-label="{_text(about)}">{name}{inside}</svg>'


def dots(frame: Frame, points: Sequence[tuple[Point, str]], kind: str, *, radius: float = 3) -> str:
    """One dot a point, each with the text it shows when pointed at."""
    parts = []
    for point, tip in points:
        x, y = frame.at(point)
        title = f"<title>{_text(tip)}</title>" if tip else ""
        parts.append(f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}">{title}</circle>')
    return "".join(parts)


def line(frame: Frame, points: Sequence[Point], kind: str, *, tip: str = "") -> str:
    """A line through the points; points that are not finite leave a gap."""
    steps, pen = [], "M"
    for point in points:
        if not all(math.isfinite(value) for value in point):
            pen = "M"
            continue
        x, y = frame.at(point)
        steps.append(f"{pen}{x} {y}")
        pen = "L"
    title = f"<title>{_text(tip)}</title>" if tip else ""
    return f'<path class="line {kind}" d="{"".join(steps)}">{title}</path>' if steps else ""


def staircase(points: Sequence[Point]) -> list[Point]:
    """The corners of a step line that keeps each y until the next x."""
    corners: list[Point] = []
    for point in points:
        if corners:
            corners.append((point[0], corners[-1][1]))
        corners.append(point)
    return corners


def whisker(frame: Frame, point: Point, half: float, kind: str) -> str:
    """A vertical bar of ``half`` above and below the point: a spread."""
    x, low = frame.at((point[0], point[1] - half))
    _, high = frame.at((point[0], point[1] + half))
    return f'<path class="whisker {kind}" d="M{x - 4} {low}h8M{x} {low}V{high}M{x - 4} {high}h8"/>'


def upright(frame: Frame, x_value: float, kind: str, tip: str) -> str:
    """A vertical line across the chart: a budget."""
    x, _ = frame.at((x_value, frame.y.low))
    return f'<path class="{kind}" d="M{x} {TOP}V{HEIGHT - BOTTOM}"><title>{_text(tip)}</title></path>'


def bars(frame: Frame, shares: Sequence[tuple[float, str]], kind: str, *, width: float = 0.7) -> str:
    """One bar a share, at x = 1, 2, ..., each with the text it shows when pointed at."""
    parts = []
    for number, (share, tip) in enumerate(shares, start=1):
        left, top = frame.at((number - width / 2, share))
        right, foot = frame.at((number + width / 2, 0))
        size = f'width="{max(right - left, 0.5):.1f}" height="{max(foot - top, 0):.1f}"'
        parts.append(f'<rect class="{kind}" x="{left}" y="{top}" {size}><title>{_text(tip)}</title></rect>')
    return "".join(parts)


def marks(frame: Frame, shares: Sequence[float], kind: str, *, width: float = 0.9) -> str:
    """A short level line at each share: what the bars are compared with."""
    parts = []
    for number, share in enumerate(shares, start=1):
        left, y = frame.at((number - width / 2, share))
        right, _ = frame.at((number + width / 2, share))
        parts.append(f"M{left} {y}H{right}")
    return f'<path class="{kind}" d="{"".join(parts)}"/>' if parts else ""


def _round_ticks(low: float, high: float, count: int = 6) -> tuple[float, ...]:
    """About ``count`` multiples of 1, 2 or 5 times a power of ten between low and high."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return tuple(round(step * at, 12) for at in range(first, math.floor(high / step + 1e-9) + 1))


def _text(words: str) -> str:
    return escape(words, quote=True)
