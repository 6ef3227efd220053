"""Medians, ranges and ratios of what the runs have shown: pure.

The machine is shared and its speed changes by the minute: so a ratio is taken within each round,
of runs that were made one after the other, and the median is that of the ratios.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from bench.speed.measured import Measured

#: Something of a run, or None where it was not measured.
Figure = Callable[[Measured], "float | None"]


@dataclass(frozen=True)
class Spread:
    """The median of some numbers, and their ends."""

    median: float
    least: float
    most: float


class Runs:
    """All runs of a benchmark."""

    def __init__(self, found: Sequence[Measured]) -> None:
        self.all = tuple(found)

    def of(self, side: str, pool: str, latency_ms: float) -> list[Measured]:
        """Return the runs of one cell, by their rounds."""
        where = (side, pool, latency_ms)
        found = (each for each in self.all if (each.side, each.pool, each.latency_ms) == where)
        return sorted(found, key=lambda each: each.number)

    def spread(self, side: str, pool: str, latency_ms: float, figure: Figure) -> Spread | None:
        """Return the median of a figure; None if it was not measured."""
        return spread(list(_known(self.of(side, pool, latency_ms), figure)))

    def ratio(
        self, ours: str, theirs: str, pool: str, latency_ms: float, figure: Figure
    ) -> Spread | None:
        """Return the median of one side's figure over another's of the same round."""
        mine = self._by_round(ours, pool, latency_ms, figure)
        other = self._by_round(theirs, pool, latency_ms, figure)
        return spread([mine[number] / other[number] for number in mine if other.get(number)])

    def latencies(self) -> list[float]:
        """Return the latencies that were measured."""
        return sorted({each.latency_ms for each in self.all})

    def rounds(self) -> int:
        """Return how many rounds there were."""
        return len({each.number for each in self.all})

    def _by_round(
        self, side: str, pool: str, latency_ms: float, figure: Figure
    ) -> dict[int, float]:
        found = ((each.number, figure(each)) for each in self.of(side, pool, latency_ms))
        return {number: value for number, value in found if value is not None}


def spread(numbers: Sequence[float]) -> Spread | None:
    """Return the median of some numbers; None of none."""
    if not numbers:
        return None
    return Spread(median(numbers), min(numbers), max(numbers))


def tasks_per_second(run: Measured) -> float | None:
    """Of the worker."""
    return run.tasks_per_second


def worker_cpu(run: Measured) -> float | None:
    """Seconds for 1,000 tasks, of all its processes."""
    return run.worker_cpu


def single_per_second(run: Measured) -> float | None:
    """Tasks published one by one."""
    return None if run.single is None else run.single.per_second


def group_per_second(run: Measured) -> float | None:
    """Tasks published as a group."""
    return None if run.group is None else run.group.per_second


def p50(run: Measured) -> float | None:
    """Milliseconds from apply_async() to the result."""
    return median(run.round_trips_ms) if run.round_trips_ms else None


def p95(run: Measured) -> float | None:
    """Milliseconds from apply_async() to the result, of the slowest."""
    if len(run.round_trips_ms) < 2:
        return None
    return quantiles(run.round_trips_ms, n=20, method="inclusive")[18]


def _known(runs: Sequence[Measured], figure: Figure) -> Iterator[float]:
    for run in runs:
        found = figure(run)
        if found is not None:
            yield found
