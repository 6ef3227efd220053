"""How many tasks of each queue end in a second, on average over the last five minutes."""

import threading
from collections import deque
from typing import Final

from celery_aws.clock import Clock

#: Seconds that are looked back on.
WINDOW_SECONDS: Final = 300.0

#: Seconds of which ends are counted together.
_SLICE_SECONDS: Final = 10.0


class EndRates:
    """Is told of ends, and tells how many there are a second; thread-safe.

    Args:
        clock: measures.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        #: By queue, pairs of a slice's number and what ended in it, oldest first.
        self._slices: dict[str, deque[list[int]]] = {}
        self._lock = threading.Lock()

    def note(self, queue: str) -> None:
        """Count the end of a task of a queue."""
        number = int(self._clock.monotonic() // _SLICE_SECONDS)
        with self._lock:
            slices = self._slices.setdefault(queue, deque())
            if not slices or slices[-1][0] != number:
                slices.append([number, 0])
            slices[-1][1] += 1

    def a_second(self, queue: str) -> float:
        """Return how many tasks of a queue end in a second."""
        now = self._clock.monotonic()
        first = (now - WINDOW_SECONDS) // _SLICE_SECONDS
        with self._lock:
            slices = self._slices.get(queue, deque())
            while slices and slices[0][0] <= first:
                slices.popleft()
            ended = sum(count for _, count in slices)
        return ended / min(WINDOW_SECONDS, max(_SLICE_SECONDS, now - self._began))
