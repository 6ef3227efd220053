"""Which messages of the in-memory double can be received now, without looking at each of them.

A queue may hold a hundred thousand delayed messages of a simulation while somebody polls it.
"""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """What a message says for this."""

    #: Its place in the order of the queue.
    place: int
    #: When it can be received (again).
    visible_at: float


M = TypeVar("M", bound=Timed)


class Visibility(Generic[M]):
    """The messages of one queue by when they become visible.

    Args:
        kept: tells whether the queue still has a message.
    """

    def __init__(self, kept: Callable[[M], bool]) -> None:
        self._kept = kept
        self._numbers = count()
        #: By time, with the time for which they were entered; what has another by now is passed
        #: over.
        self._agenda: list[tuple[float, int, M]] = []
        self._visible: dict[int, M] = {}

    def changed(self, message: M) -> None:
        """Take note of a new message, or of another ``visible_at``."""
        heapq.heappush(self._agenda, (message.visible_at, next(self._numbers), message))

    def visible(self, now: float) -> list[M]:
        """Return what is visible, in the order of the queue."""
        while self._agenda and self._agenda[0][0] <= now:
            message = heapq.heappop(self._agenda)[2]
            self._visible[message.place] = message
        self._visible = {
            place: message
            for place, message in self._visible.items()
            if message.visible_at <= now and self._kept(message)
        }
        return [self._visible[place] for place in sorted(self._visible)]

    def next_visible_at(self, now: float) -> float | None:
        """Return when the next hidden message becomes visible, or None."""
        self.visible(now)
        while self._agenda:
            moment, _, message = self._agenda[0]
            if message.visible_at == moment and self._kept(message):
                return moment
            heapq.heappop(self._agenda)
        return None
