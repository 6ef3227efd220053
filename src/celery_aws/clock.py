"""Time as a seam: everything that waits or stores a time takes a :class:`Clock`.

The wall clock is for what is stored and may jump; the monotonic clock is for deadlines.
"""

import threading
import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """What the package needs to know about time."""

    def now(self) -> datetime:
        """Return the wall-clock time as an aware UTC datetime, for what is stored."""

    def monotonic(self) -> float:
        """Return seconds that only ever grow, for deadlines and ages."""

    def sleep(self, seconds: float) -> None:
        """Block the calling thread (or greenlet) for ``seconds``."""

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Wait on ``condition``, which the caller holds, for up to ``seconds``."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Return :func:`time.monotonic`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep by :func:`time.sleep`, looked up late so that gevent's patch counts."""
        time.sleep(seconds)

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Wait by the condition's own clock."""
        condition.wait(seconds)
