"""A clock that moves only when a test moves it.

It implements :class:`celery_aws.clock.Clock`. Nothing here waits for real time: ``sleep``
moves the clock, and what waits for a moment (a long poll of
:class:`~celery_aws.testing.memory_sqs.MemorySqs`) is woken when the clock passes it.
"""

import threading
import weakref
from datetime import datetime, timedelta, timezone

#: What a clock shows at first: a moment with nothing special about it.
START = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=timezone.utc)


class FakeClock:
    """A clock under the test's control; thread-safe.

    Attributes:
        sleeps: the seconds of every :meth:`sleep` so far, in order.
    """

    def __init__(self, start: datetime = START) -> None:
        self.sleeps: list[float] = []
        self._start = start
        self._elapsed_seconds = 0.0
        self._lock = threading.Lock()
        self._waiting: weakref.WeakSet[threading.Condition] = weakref.WeakSet()

    def now(self) -> datetime:
        """Return the start and what has passed since, as an aware datetime."""
        return self._start + timedelta(seconds=self._elapsed_seconds)

    def monotonic(self) -> float:
        """Return the seconds that have passed since the start."""
        return self._elapsed_seconds

    def sleep(self, seconds: float) -> None:
        """Record ``seconds`` and move the clock by them, without blocking."""
        with self._lock:
            self.sleeps.append(seconds)
        self.advance(seconds)

    def wait(self, condition: threading.Condition, seconds: float) -> None:  # noqa: ARG002
        """Record ``seconds`` and move the clock by them: nobody signalled in time."""
        self.sleep(seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock by ``seconds`` of at least 0, and wake what waits on it."""
        if seconds < 0:
            raise ValueError(f"a clock does not go back: {seconds}")
        with self._lock:
            self._elapsed_seconds += seconds
            waiting = list(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()

    def wakes(self, condition: threading.Condition) -> None:
        """Notify ``condition`` from now on whenever the clock moves.

        The caller must not hold a lock that a waiter on ``condition`` needs when it calls
        :meth:`advance`. The condition is not kept alive.
        """
        with self._lock:
            self._waiting.add(condition)
