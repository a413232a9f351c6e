"""Charts as inline SVG text, drawn small so that they stay readable on a phone; no dependency, no torch.

Colours are CSS classes, so that one drawing serves light and dark. Every mark that carries a ``<title>`` shows it on
hover or touch. ``Markup.format`` escapes what it puts in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

WIDTH, HEIGHT = 440, 280
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 42

SHAPES = ("circle", "square", "triangle", "diamond")
"""What marks may look like: colour says what a net is, shape which budget it is of."""

_CORNERS = {
    "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "triangle": ((0, -1.2), (1.1, 0.8), (-1.1, 0.8)),
    "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
}

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
    right: float = 0.0

    def moved(self, pixels: float) -> Frame:
        """The frame for marks that lie so many pixels further right."""
        return replace(self, right=pixels)

    def at(self, point: Point) -> Point:
        x = LEFT + self.x.place(point[0]) * (WIDTH - LEFT - RIGHT) + self.right
        y = HEIGHT - BOTTOM - self.y.place(point[1]) * (HEIGHT - TOP - BOTTOM)
        return round(x, 1), round(y, 1)

    def grid(self) -> Markup:
        """Grid lines, tick labels and axis names."""
        right, foot = WIDTH - RIGHT, HEIGHT - BOTTOM
        parts = []
        for tick in self.y.ticks:
            _, y = self.at((self.x.low, tick))
            parts.append(Markup('<path class="grid" d="M{} {}H{}"/>').format(LEFT, y, right))
            parts.append(_words("tick", LEFT - 6, y + 4, "end", self.y.say(tick)))
        for tick in self.x.ticks:
            x, _ = self.at((tick, self.y.low))
            parts.append(Markup('<path class="notch" d="M{} {}v4"/>').format(x, foot))
            parts.append(_words("tick", x, foot + 17, "middle", self.x.say(tick)))
        parts.append(Markup('<path class="axis" d="M{} {}V{}H{}"/>').format(LEFT, TOP, foot, right))
        parts.append(_words("name", (LEFT + right) / 2, HEIGHT - 6, "middle", self.x.label))
        return _join(parts)


def draw(frame: Frame, *layers: Markup, about: str) -> Markup:
    """The chart as one ``<svg>``; ``about`` is what a screen reader says of it."""
    svg = Markup('<svg viewBox="0 -12 {} {}" role="img" aria-label="{}">{}{}{}</svg>')
    name = _words("name", 4, 1, "start", frame.y.label)
    return svg.format(WIDTH, HEIGHT + 12, about, name, frame.grid(), _join(layers))


def dots(
    frame: Frame, points: Sequence[tuple[Point, str]], kind: str, *, radius: float = 3, shape: str = SHAPES[0]
) -> Markup:
    """One mark a point, each with the text it shows when pointed at."""
    return _join(_mark(frame.at(point), tip, kind, radius, shape) for point, tip in points)


def _mark(at: Point, tip: str, kind: str, radius: float, shape: str) -> Markup:
    x, y = at
    if shape == SHAPES[0]:
        mark = Markup('<circle class="{}" cx="{}" cy="{}" r="{}">{}</circle>')
        return mark.format(kind, x, y, radius, _title(tip))
    corners = (f"{x + radius * across:.1f},{y + radius * down:.1f}" for across, down in _CORNERS[shape])
    return Markup('<polygon class="{}" points="{}">{}</polygon>').format(kind, " ".join(corners), _title(tip))


def line(frame: Frame, points: Sequence[Point], kind: str, *, tip: str = "") -> Markup:
    """A line through the points; points that are not finite leave a gap."""
    steps, pen = [], "M"
    for point in points:
        if not all(math.isfinite(value) for value in point):
            pen = "M"
            continue
        x, y = frame.at(point)
        steps.append(f"{pen}{x} {y}")
        pen = "L"
    drawn = Markup('<path class="line {}" d="{}">{}</path>').format(kind, "".join(steps), _title(tip))
    return drawn if steps else Markup("")


def staircase(points: Sequence[Point]) -> list[Point]:
    """The corners of a step line that keeps each y until the next x."""
    corners: list[Point] = []
    for point in points:
        if corners:
            corners.append((point[0], corners[-1][1]))
        corners.append(point)
    return corners


def whisker(frame: Frame, point: Point, half: float, kind: str) -> Markup:
    """A vertical bar of ``half`` above and below the point: a spread."""
    x, low = frame.at((point[0], point[1] - half))
    _, high = frame.at((point[0], point[1] + half))
    return Markup('<path class="whisker {}" d="M{} {}h8M{} {}V{}M{} {}h8"/>').format(
        kind, x - 4, low, x, low, high, x - 4, high
    )


def upright(frame: Frame, x_value: float, kind: str, tip: str, *, name: str = "") -> Markup:
    """A vertical line across the chart: a budget; ``name`` stands beside it."""
    x, _ = frame.at((x_value, frame.y.low))
    drawn = Markup('<path class="{}" d="M{} {}V{}">{}</path>').format(kind, x, TOP, HEIGHT - BOTTOM, _title(tip))
    return drawn + (_words("tick", x + 4, TOP + 10, "start", name) if name else "")


def bars(frame: Frame, shares: Sequence[tuple[float, str]], kind: str, *, width: float = 0.7) -> Markup:
    """One bar a share, at x = 1, 2, ..., each with the text it shows when pointed at."""
    bar = Markup('<rect class="{}" x="{}" y="{}" width="{:.1f}" height="{:.1f}">{}</rect>')
    parts = []
    for number, (share, tip) in enumerate(shares, start=1):
        left, top = frame.at((number - width / 2, share))
        right, foot = frame.at((number + width / 2, 0))
        parts.append(bar.format(kind, left, top, max(right - left, 0.5), max(foot - top, 0), _title(tip)))
    return _join(parts)


def marks(frame: Frame, shares: Sequence[float], kind: str, *, width: float = 0.9) -> Markup:
    """A short level line at each share: what the bars are compared with."""
    parts = []
    for number, share in enumerate(shares, start=1):
        left, y = frame.at((number - width / 2, share))
        right, _ = frame.at((number + width / 2, share))
        parts.append(f"M{left} {y}H{right}")
    return Markup('<path class="{}" d="{}"/>').format(kind, "".join(parts)) if parts else Markup("")


def _words(kind: str, x: float, y: float, anchor: str, words: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, words)


def _title(tip: str) -> Markup:
    return Markup("<title>{}</title>").format(tip) if tip else Markup("")


def _join(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def _round_ticks(low: float, high: float, count: int = 6) -> tuple[float, ...]:
    """About ``count`` multiples of 1, 2 or 5 times a power of ten between low and high."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return tuple(round(step * at, 12) for at in range(first, math.floor(high / step + 1e-9) + 1))
