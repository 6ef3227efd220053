"""Who leads, decided without comparing clocks of two machines.

A lease is an item with an owner and a version. The leader writes a new version before its time is
up; everybody else notes when, by its own monotonic clock, it first saw the version that is there,
and takes the lease when that has not changed for the whole of its duration. The leader counts its
time from before it asked: so it knows that it has lost the lease before anybody can take it, also
after it was stopped for an hour (SIGSTOP). Only the machine's own suspension stops that clock too;
then two may lead until the next renewal, which does what a crash may do and nothing more.
"""

from dataclasses import dataclass, replace

#: The part of its lease for which a leader acts on it: the rest is for what it has begun.
SAFE_PART = 0.8


@dataclass(frozen=True, kw_only=True)
class LeaseRecord:
    """What is in the table."""

    owner: str
    version: str
    duration_seconds: float


@dataclass(frozen=True, kw_only=True)
class Leadership:
    """What one contender knows; times are by its own monotonic clock.

    Attributes:
        held: the lease as it has written it, None if it is not the leader.
        held_from: when it asked for that.
        seen: somebody else's lease.
        seen_since: when it saw that version first.
    """

    held: LeaseRecord | None = None
    held_from: float = 0.0
    seen: LeaseRecord | None = None
    seen_since: float = 0.0

    def leads(self, now: float) -> bool:
        """Tell whether it may act as the leader."""
        held = self.held
        return held is not None and now < self.held_from + held.duration_seconds * SAFE_PART

    def wants_renewal(self, now: float, *, after_seconds: float) -> bool:
        """Tell whether a leader should write a new version: ``after_seconds`` have passed."""
        return self.held is not None and now >= self.held_from + after_seconds

    def may_take(self, now: float) -> bool:
        """Tell whether somebody else's lease has run out."""
        return self.seen is not None and self.seconds_until_over(now) <= 0

    def seconds_until_over(self, now: float) -> float:
        """Return how long somebody else's lease still runs, at most; 0 if none was seen."""
        seen = self.seen
        return 0.0 if seen is None else max(0.0, self.seen_since + seen.duration_seconds - now)

    def took(self, record: LeaseRecord, *, asked_at: float) -> "Leadership":
        """Return the state of a leader that has written ``record``."""
        return Leadership(held=record, held_from=asked_at)

    def saw(self, record: LeaseRecord | None, now: float) -> "Leadership":
        """Return the state of one that is not the leader, and has looked.

        Args:
            record: what was there, None for nothing.
            now: the time after the answer, for the record may have been written while this one
                was asking.
        """
        same = record is not None and self.seen is not None and record.version == self.seen.version
        return replace(
            self,
            held=None,
            seen=record,
            seen_since=self.seen_since if same else now,
        )
