"""A clock that stands still until a test moves it."""

import threading
from datetime import datetime, timedelta, timezone

#: Where it starts unless told otherwise: a time with nothing special about it.
START = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=timezone.utc)


class ManualClock:
    """:class:`~celery_aws.clock.Clock` for tests; thread-safe.

    A sleep moves it forward at once.

    Attributes:
        sleeps: the seconds of every sleep so far.
    """

    def __init__(self, start: datetime = START) -> None:
        self.sleeps: list[float] = []
        self._start = start
        self._elapsed_seconds = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        return self._start + timedelta(seconds=self._elapsed_seconds)

    def monotonic(self) -> float:
        """Return the seconds since the clock was made."""
        return self._elapsed_seconds

    def sleep(self, seconds: float) -> None:
        """Move the clock by ``seconds`` without waiting."""
        self.sleeps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock by ``seconds``."""
        with self._lock:
            self._elapsed_seconds += seconds
