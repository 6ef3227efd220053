"""Tasks that end while somebody waits for them, on a clock that only waiting moves."""

import heapq
from collections.abc import Callable
from itertools import count

from celery_aws.testing.clock import FakeClock


class PassingClock(FakeClock):
    """A clock that does what is due as it passes."""

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Call ``action`` when the clock passes ``seconds`` since its start."""
        heapq.heappush(self._due, (seconds, next(self._numbers), action))

    def advance(self, seconds: float) -> None:
        until = self.monotonic() + seconds
        while self._due and self._due[0][0] <= until:
            at, _, action = heapq.heappop(self._due)
            super().advance(max(0.0, at - self.monotonic()))
            action()
        super().advance(max(0.0, until - self.monotonic()))
