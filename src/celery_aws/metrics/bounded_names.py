"""Names of which there may be only so many: each is a time series that somebody pays for."""

import threading
from collections.abc import Callable, Container
from typing import Final

#: In place of all names beyond.
OTHER: Final = "other"

#: How many names are let through that nobody knows.
MOST_UNKNOWN: Final = 100


class BoundedNames:
    """Lets known names through, and as many unknown ones as come first; thread-safe.

    Args:
        known: returns the names that are let through in any case.
        most_unknown: how many others.
    """

    def __init__(
        self, known: Callable[[], Container[str]] = tuple, most_unknown: int = MOST_UNKNOWN
    ) -> None:
        self._known = known
        self._most_unknown = most_unknown
        self._unknown: set[str] = set()
        self._lock = threading.Lock()

    def of(self, name: str) -> str:
        """Return the name, or :data:`OTHER`."""
        if name in self._unknown or name in self._known():
            return name
        with self._lock:
            if len(self._unknown) >= self._most_unknown:
                return OTHER
            self._unknown.add(name)
        return name
