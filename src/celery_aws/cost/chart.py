"""A picture of costs by tasks a month: lines on logarithmic axes, and where they cross. SVG.

Written by hand, so that it needs no other package: a few lines, circles and texts.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10
from typing import Final

_WIDTH, _HEIGHT = 960, 600
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 24, 56, 56
_LEGEND_ROW = 20

#: Okabe and Ito's colours, which can be told apart by people who see fewer.
_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000",
                   "#8a8a00", "#7b4fa3", "#a0522d")  # fmt: skip

#: Points of a line, for each power of ten.
_POINTS_A_DECADE = 24


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A cost by tasks a month.

    Attributes:
        title: for the legend.
        cost: returns what so many tasks cost, in the currency of the chart.
        dashed: drawn so.
    """

    title: str
    cost: Callable[[float], float]
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point where two curves cross.

    Attributes:
        tasks: a month.
        cost: of both.
    """

    tasks: float
    cost: float


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves between two numbers of tasks.

    Attributes:
        title: above it.
        unit: of the costs, such as ``USD a month``.
        curves: the first is drawn above the others.
        marks: points on them.
        first: tasks a month at the left.
        last: the same at the right.
        least: cost at the bottom; what is less is drawn there.
    """

    title: str
    unit: str
    curves: Sequence[Curve]
    marks: Sequence[Mark] = ()
    first: float = 1e4
    last: float = 1e9
    least: float = 0.1

    def svg(self) -> str:
        """Return the picture."""
        height = _HEIGHT + _LEGEND_ROW * len(self.curves)
        body = "\n".join(self._parts())
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="13">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
        )

    @property
    def most(self) -> float:
        """Cost at the top: the next power of ten."""
        highest = max(curve.cost(self.last) for curve in self.curves)
        return float(10 ** (floor(log10(max(highest, 10 * self.least))) + 1))

    def x(self, tasks: float) -> float:
        """Return where a number of tasks is."""
        part = _part(tasks, self.first, self.last)
        return _LEFT + part * (_WIDTH - _LEFT - _RIGHT)

    def y(self, cost: float) -> float:
        """Return where a cost is."""
        part = _part(max(cost, self.least), self.least, self.most)
        return _HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM)

    def _parts(self) -> Iterator[str]:
        yield _text(_LEFT, 28, self.title, size=17)
        yield from self._grid()
        for number, curve in reversed(list(enumerate(self.curves))):
            yield self._line(curve, _COLOURS[number % len(_COLOURS)], width=3 if not number else 2)
        for number, mark in enumerate(self.marks):
            yield from self._mark(mark, number)
        yield from self._legend()

    def _grid(self) -> Iterator[str]:
        top, bottom, right = _TOP, _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
        for tasks in _decades(self.first, self.last):
            x = self.x(tasks)
            yield _segment(x, top, x, bottom, "#e4e4e4")
            yield _text(x, bottom + 20, _short(tasks), anchor="middle")
        for cost in _decades(self.least, self.most):
            y = self.y(cost)
            yield _segment(_LEFT, y, right, y, "#e4e4e4")
            yield _text(_LEFT - 8, y + 4, _short(cost), anchor="end")
        yield _segment(_LEFT, bottom, right, bottom, "#333333")
        yield _segment(_LEFT, top, _LEFT, bottom, "#333333")
        yield _text((_LEFT + right) / 2, bottom + 44, "tasks a month", anchor="middle")
        yield _text(_LEFT, top - 8, self.unit)

    def _line(self, curve: Curve, colour: str, *, width: int) -> str:
        steps = int(_POINTS_A_DECADE * log10(self.last / self.first))
        amounts = [
            self.first * (self.last / self.first) ** (step / steps) for step in range(steps + 1)
        ]
        points = " ".join(f"{self.x(each):.1f},{self.y(curve.cost(each)):.1f}" for each in amounts)
        dashes = ' stroke-dasharray="7 5"' if curve.dashed else ""
        return (
            f'<polyline points="{points}" fill="none" stroke="{colour}" '
            f'stroke-width="{width}" stroke-linejoin="round"{dashes}/>'
        )

    def _mark(self, mark: Mark, number: int) -> Iterator[str]:
        if not self.first <= mark.tasks <= self.last:
            return
        x, y = self.x(mark.tasks), self.y(mark.cost)
        yield _segment(x, y, x, _HEIGHT - _BOTTOM, "#777777", dashed=True)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="white" stroke="black"/>'
        # Below each other in turns: crossings of alike curves are near each other.
        place = _HEIGHT - _BOTTOM - 8 - 16 * (number % 4)
        yield _text(x + 4, place, _short(mark.tasks), size=12)

    def _legend(self) -> Iterator[str]:
        for number, curve in enumerate(self.curves):
            y = _HEIGHT + _LEGEND_ROW * number
            colour = _COLOURS[number % len(_COLOURS)]
            yield _segment(_LEFT, y, _LEFT + 28, y, colour, width=3, dashed=curve.dashed)
            yield _text(_LEFT + 38, y + 4, curve.title)


def _part(value: float, first: float, last: float) -> float:
    return (log10(value) - log10(first)) / (log10(last) - log10(first))


def _decades(first: float, last: float) -> Iterator[float]:
    # By their exponents: powers of ten that are multiplied up drift.
    for exponent in range(round(log10(first)), round(log10(last)) + 1):
        yield float(10**exponent) if exponent >= 0 else 1 / 10**-exponent


def _short(number: float) -> str:
    for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{name}"
    return f"{number:.3g}"


def _segment(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, width: int = 1, dashed: bool = False
) -> str:
    dashes = ' stroke-dasharray="4 4"' if dashed else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"{dashes}/>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 13) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">'
        f"{escape(text)}</text>"
    )
