"""From how many tasks a month on one thing is dearer than another.

Costs are straight lines with steps and a free piece at the start, so the point is found by halves:
exactly, as far as the lines cross once. Where they cross more often the first crossing is told.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Final

#: Where to look for the first crossing: from nothing to ten billion, by halves more each.
_LEAST: Final = 1.0
_MOST: Final = 1e10
_STEP: Final = 1.5

#: Halves until there is nothing more to be gained in a float.
_HALVES: Final = 200


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """Where two costs cross.

    Attributes:
        at: the amount from which on the dearer one is cheaper; None if they never cross.
        cheaper_before: True if the first one is cheaper below that amount, or everywhere.
    """

    at: float | None
    cheaper_before: bool


def break_even(first: Callable[[float], float], second: Callable[[float], float]) -> BreakEven:
    """Return where a cost overtakes another one.

    Args:
        first: dollars by an amount, such as tasks a month.
        second: the same of the other.
    """

    def difference(amount: float) -> float:
        return first(amount) - second(amount)

    cheaper = difference(0.0) <= 0
    for low, high in pairwise(_amounts()):
        if (difference(high) <= 0) is not cheaper:
            return BreakEven(at=_halved(difference, low, high), cheaper_before=cheaper)
    return BreakEven(at=None, cheaper_before=cheaper)


def _amounts() -> Iterator[float]:
    yield 0.0
    amount = _LEAST
    while amount < _MOST:
        yield amount
        amount *= _STEP
    yield _MOST


def _halved(difference: Callable[[float], float], low: float, high: float) -> float:
    below = difference(low) <= 0
    for _ in range(_HALVES):
        middle = (low + high) / 2
        if not isfinite(middle) or middle in (low, high):
            break
        if (difference(middle) <= 0) is below:
            low = middle
        else:
            high = middle
    return high
