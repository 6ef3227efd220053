"""How long to wait before trying again: exponential, capped, with full jitter; and what to log.

Full jitter (any wait from zero to the exponential bound) is what spreads a fleet that was
throttled together; see "Exponential backoff and jitter" of the AWS architecture blog.
"""

from collections.abc import Callable
from dataclasses import dataclass

#: A random number from 0.0 up to 1.0, as ``random.random`` gives; tests hand in their own.
Random = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Waits of one kind of retry, in seconds."""

    base_seconds: float
    cap_seconds: float

    def bound_seconds(self, attempt: int) -> float:
        """Return the longest wait after failure number ``attempt``, counted from 0."""
        # Bounded exponent: 2**1100 is no float any more.
        return min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt, 64))

    def wait_seconds(self, attempt: int, random: Random) -> float:
        """Return how long to wait after failure number ``attempt``, counted from 0."""
        return random() * self.bound_seconds(attempt)


def is_worth_logging(failures: int) -> bool:
    """Tell whether failure number ``failures`` in a row, counted from 1, belongs in the log.

    The first, the second, the fourth, the eighth and so on do: an outage must not fill the log.
    """
    return failures & (failures - 1) == 0
