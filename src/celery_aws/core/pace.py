"""So many a second, on average, in short bursts. Pure: whoever asks brings the time along.

A debt and no bucket: what was taken delays what comes after it, so that nobody has to know how
much there will be before taking it.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast something goes, and from when on it may go on.

    Attributes:
        per_second: how many.
        free_at: when the next one may be taken, by the monotonic clock.
    """

    per_second: float
    free_at: float = 0.0

    def rest_seconds(self, now: float) -> float:
        """Return for how long nothing may be taken yet."""
        return max(0.0, self.free_at - now)

    def after(self, count: int, now: float) -> "Pace":
        """Return the pace once ``count`` more were taken; time without any is not made up for."""
        return replace(self, free_at=max(self.free_at, now) + count / self.per_second)
