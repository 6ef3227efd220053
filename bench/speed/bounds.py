"""What the figures have to be: pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.speed.figures import (
    Figure,
    Runs,
    Spread,
    group_per_second,
    p50,
    single_per_second,
    tasks_per_second,
    worker_cpu,
)

#: A ratio or a figure is compared as it is printed.
_DIGITS = 2


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One figure of ours that must not be less, or more, than something.

    Attributes:
        than: the side that ours is divided by; None for ours as it is.
    """

    what: str
    figure: Figure
    pool: str
    latency_ms: float
    than: str | None = None
    least: float | None = None
    most: float | None = None

    def found(self, runs: Runs) -> Spread | None:
        """Return what was measured; None if it was not."""
        if self.than is None:
            return runs.spread("ours", self.pool, self.latency_ms, self.figure)
        return runs.ratio("ours", self.than, self.pool, self.latency_ms, self.figure)

    def met(self, found: Spread) -> bool:
        """Tell whether it is as it must be."""
        value = round(found.median, _DIGITS)
        return not (
            (self.least is not None and value < self.least)
            or (self.most is not None and value > self.most)
        )

    def __str__(self) -> str:
        if self.least is not None:
            return f"at least {self.least:g}"
        return f"at most {self.most:g}"


def _rate(least: float, than: str, pool: str, latency_ms: float) -> Bound:
    return Bound(
        what=f"tasks/s, {pool} at {latency_ms:g} ms: times {than}",
        figure=tasks_per_second,
        pool=pool,
        latency_ms=latency_ms,
        than=than,
        least=least,
    )


def _publishing(least: float, latency_ms: float, figure: Figure, what: str) -> Bound:
    return Bound(
        what=f"{what} at {latency_ms:g} ms: times stock",
        figure=figure,
        pool="prefork2",
        latency_ms=latency_ms,
        than="stock",
        least=least,
    )


def _cpu(most: float, pool: str, latency_ms: float) -> Bound:
    return Bound(
        what=f"CPU s of the worker for 1,000 tasks, {pool} at {latency_ms:g} ms",
        figure=worker_cpu,
        pool=pool,
        latency_ms=latency_ms,
        most=most,
    )


_LATE_RESULT = Bound(
    what="ms from apply_async() to its result, prefork2 at 8 ms, p50",
    figure=p50,
    pool="prefork2",
    latency_ms=8,
    most=45,
)

BOUNDS = (
    _rate(15, "stock", "prefork2", 8),
    _rate(2, "tuned", "prefork2", 8),
    _rate(3, "redis", "prefork2", 8),
    _rate(4, "stock", "threads16", 8),
    _rate(10, "stock", "gevent100", 8),
    _rate(0.7, "redis", "prefork2", 0),
    _publishing(10, 8, group_per_second, "group(1000) published/s"),
    _publishing(1, 8, single_per_second, "published one by one/s"),
    _publishing(1, 0, single_per_second, "published one by one/s"),
    _cpu(2.2, "prefork2", 0),
    _cpu(2.2, "prefork2", 8),
    _cpu(5, "gevent100", 0),
    _cpu(5, "gevent100", 8),
    _LATE_RESULT,
)


def checked(runs: Runs) -> Iterator[tuple[Bound, Spread, bool]]:
    """Return each bound whose figure was measured, the figure, and whether it is met."""
    for bound in BOUNDS:
        found = bound.found(runs)
        if found is not None:
            yield bound, found, bound.met(found)
