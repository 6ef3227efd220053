"""Requests counted by operation, for tests that wait for one instead of sleeping."""

import threading
from collections import Counter
from fnmatch import fnmatchcase


class RequestTally:
    """Counts by name; thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._changed = threading.Condition()

    def count(self, name: str) -> None:
        """Add one."""
        with self._changed:
            self._counts[name] += 1
            self._changed.notify_all()

    def counts(self) -> dict[str, int]:
        """Return a copy: how many of each name."""
        with self._changed:
            return dict(self._counts)

    def total(self, pattern: str = "*") -> int:
        """Return how many there are of the names that match, such as ``sqs.*``."""
        with self._changed:
            return self._total(pattern)

    def wait_for(self, pattern: str = "*", *, count: int = 1, timeout_seconds: float) -> bool:
        """Wait until there are ``count`` of the names that match; False when the time is up."""
        with self._changed:
            return self._changed.wait_for(lambda: self._total(pattern) >= count, timeout_seconds)

    def _total(self, pattern: str) -> int:
        return sum(n for name, n in self._counts.items() if fnmatchcase(name, pattern))
