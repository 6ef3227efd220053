"""A service double at whose requests a test may do anything: advance time, let others act, kill.

Unlike the doubles' own faults, what happens does so outside of their locks, before the request or
after it took effect, and may be a ``BaseException``, as which a test kills whoever asks.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

Event = Callable[[], Any]


class KilledError(BaseException):
    """Ends whoever asks, as SIGKILL does: nothing in the product catches it."""


class Watched:
    """Stands in for any double: its public methods, with what a test wants around them.

    Attributes:
        log: the method of every request, in order.
        on_boundary: called with the method and ``"before"`` or ``"after"`` at every request.
    """

    def __init__(self, double: Any) -> None:
        self.log: list[str] = []
        self.on_boundary: Callable[[str, str], Any] | None = None
        self._double = double
        self._next: deque[tuple[Event | None, Event | None]] = deque()

    def meets(self, *, before: Event | None = None, after: Event | None = None) -> None:
        """Let something happen around the next request; may be called repeatedly."""
        self._next.append((before, after))

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._double, name)
        return self._around(name, asked) if callable(asked) else asked

    def _around(self, name: str, asked: Callable[..., Any]) -> Callable[..., Any]:
        def request(*args: Any, **kwargs: Any) -> Any:
            self.log.append(name)
            before, after = self._next.popleft() if self._next else (None, None)
            self._happens(before, name, "before")
            answer = asked(*args, **kwargs)
            self._happens(after, name, "after")
            return answer

        return request

    def _happens(self, event: Event | None, name: str, place: str) -> None:
        if event is not None:
            event()
        if self.on_boundary is not None:
            self.on_boundary(name, place)
