"""What is measured, and in which order: pure."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

#: celery-aws; stock Celery as the blog has set it; the same, tuned; Celery on Redis.
SIDES = ("ours", "stock", "tuned", "redis")

#: Milliseconds added to each answer.
LATENCIES = (0, 8)

_SINGLE, _GROUP, _ROUND_TRIPS = 200, 1_000, 40

#: Each takes half a second: that is how often it looks for a result.
_STOCK_ROUND_TRIPS = 12

#: Whoever publishes for the tuned side is the same.
_PUBLISHERS = ("ours", "stock", "redis")


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A worker's pool.

    Attributes:
        warm_tasks: that every process, thread or greenlet has had one, more or less.
    """

    name: str
    kind: str
    concurrency: int
    warm_tasks: int


POOLS = {
    pool.name: pool
    for pool in (
        Pool(name="prefork2", kind="prefork", concurrency=2, warm_tasks=16),
        Pool(name="prefork4", kind="prefork", concurrency=4, warm_tasks=32),
        Pool(name="threads16", kind="threads", concurrency=16, warm_tasks=32),
        Pool(name="gevent100", kind="gevent", concurrency=100, warm_tasks=100),
    )
}

#: Where everything is measured; elsewhere only how fast a queue is emptied.
_MAIN_POOL = "prefork2"

#: Tasks a second that may be expected, with 0 and with 8 ms: how many tasks a run needs.
_EXPECTED = {
    "ours": {
        "prefork2": (800, 180),
        "prefork4": (900, 330),
        "threads16": (900, 600),
        "gevent100": (600, 500),
    },
    "stock": {
        "prefork2": (8, 8),
        "prefork4": (16, 50),
        "threads16": (110, 85),
        "gevent100": (40, 25),
    },
    "tuned": {
        "prefork2": (170, 70),
        "prefork4": (200, 80),
        "threads16": (110, 85),
        "gevent100": (40, 25),
    },
    "redis": {
        "prefork2": (550, 42),
        "prefork4": (600, 80),
        "threads16": (500, 49),
        "gevent100": (150, 40),
    },
}

#: Tuned stock polls more often and holds more: that changes nothing where threads wait for AWS.
_LEFT_OUT = {("tuned", "threads16"), ("tuned", "gevent100")}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run: a side with a pool at a latency.

    Attributes:
        tasks: in the queue when the worker starts.
        warm_tasks: of them, done before the measurement begins.
        single, group: tasks published one by one and as a group while it is measured.
        round_trips: tasks sent and waited for, one after the other.
    """

    side: str
    pool: Pool
    latency_ms: float
    tasks: int
    warm_tasks: int
    single: int = 0
    group: int = 0
    round_trips: int = 0

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.side} {self.pool.name} {self.latency_ms:g} ms"


def cells(
    *,
    sides: Collection[str] = SIDES,
    pools: Collection[str] = tuple(POOLS),
    latencies_ms: Sequence[float] = LATENCIES,
    seconds: float,
) -> list[Cell]:
    """Return one round: all sides in turns, with one pool and latency after the other.

    Args:
        sides: some of :data:`SIDES`.
        pools: some of :data:`POOLS`.
        latencies_ms: added to each answer.
        seconds: that emptying a queue shall take, more or less.
    """
    return [
        _cell(side, POOLS[pool], latency_ms, seconds)
        for latency_ms in latencies_ms
        for pool in POOLS
        if pool in pools
        for side in SIDES
        if side in sides and (side, pool) not in _LEFT_OUT
    ]


def rounds(each: Sequence[Cell], count: int) -> Iterator[tuple[int, Cell]]:
    """Return all runs in their order: A B C D, A B C D."""
    for number in range(count):
        for cell in each:
            yield number, cell


def _cell(side: str, pool: Pool, latency_ms: float, seconds: float) -> Cell:
    rate = _EXPECTED[side][pool.name][1 if latency_ms else 0]
    publishes = pool.name == _MAIN_POOL and side in _PUBLISHERS
    waits = pool.name == _MAIN_POOL
    polls = side in ("stock", "tuned")
    return Cell(
        side=side,
        pool=pool,
        latency_ms=latency_ms,
        tasks=pool.warm_tasks + max(1, round(rate * seconds)),
        warm_tasks=pool.warm_tasks,
        single=_SINGLE if publishes else 0,
        group=_GROUP if publishes else 0,
        round_trips=(_STOCK_ROUND_TRIPS if polls else _ROUND_TRIPS) if waits else 0,
    )
