"""How often who waits for results looks: often at first, then less and less.

A wait is a share of the time that has been waited already, so that a caller is late by a share
of what the task took, and a task of any length costs a bounded number of looks for each tenfold
of its time. What is waited for together is looked at together, and is given more time: a hundred
tasks are not done in 20 ms.
"""

from dataclasses import dataclass

#: The first wait for one result; as late as a fast task is noticed at most.
FIRST_WAIT_SECONDS = 0.01

#: A caller's interval is no shorter: with 0, which with Redis means nothing, it would ask without
#: a pause.
SHORTEST_INTERVAL_SECONDS = 0.005

#: More of it for each further result: what a fleet needs to run one of many.
FURTHER_WAIT_SECONDS = 0.002

#: Waits as a share of the time waited so far: for one result, and for many.
SHARE_OF_ONE = 0.15
SHARE_OF_MANY = 0.5

#: How much one more result adds to the share: 36 are many.
_FURTHER_SHARE = 0.01

#: After so many seconds the wait may pass the caller's interval, in proportion,
SLOW_AFTER_SECONDS = 20.0

#: and up to so many intervals.
SLOWEST_INTERVALS = 10.0

#: Unfinished parents are read at most so often: no more than 100 of them a second.
_PARENTS_CAP_SECONDS = 1.0
_PARENT_CAP_SECONDS = 0.01


#: How long who has no timeout waits for an answer of AWS; the Redis backend tries for some 20 s.
OUTAGE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Patience:
    """What a caller has said about its waiting.

    Attributes:
        interval_seconds: between two looks at most, in the first 20 s.
        timeout_seconds: to wait at most in all; None waits for ever.
    """

    interval_seconds: float
    timeout_seconds: float | None

    def wait_seconds(self, elapsed_seconds: float, *, outstanding: int) -> float | None:
        """Return how long to wait before the next look, or None if the time is up.

        Args:
            elapsed_seconds: since the first look.
            outstanding: how many results are waited for.
        """
        wait = max(
            first_wait_seconds(outstanding),
            _share(outstanding) * elapsed_seconds,
        )
        wait = min(wait, self._cap_seconds(elapsed_seconds))
        if self.timeout_seconds is None:
            return wait
        left = self.timeout_seconds - elapsed_seconds
        return None if left <= 0 else min(wait, left)

    def bears_outage(self, elapsed_seconds: float, *, outage_seconds: float) -> bool:
        """Tell whether to go on though AWS does not answer: while there is time.

        Args:
            elapsed_seconds: since the first look.
            outage_seconds: since the first of the looks in a row that failed.
        """
        if self.timeout_seconds is None:
            return outage_seconds < OUTAGE_SECONDS
        return elapsed_seconds < self.timeout_seconds

    def _cap_seconds(self, elapsed_seconds: float) -> float:
        intervals = min(SLOWEST_INTERVALS, elapsed_seconds / SLOW_AFTER_SECONDS)
        return max(self.interval_seconds, SHORTEST_INTERVAL_SECONDS) * max(1.0, intervals)


def first_wait_seconds(outstanding: int) -> float:
    """Return the shortest wait for ``outstanding`` results, in seconds."""
    return FIRST_WAIT_SECONDS + FURTHER_WAIT_SECONDS * max(0, outstanding - 1)


def parents_wait_seconds(elapsed_seconds: float, *, unfinished: int) -> float:
    """Return how long to leave a result's parents alone, in seconds.

    They are looked at for their errors only, and an error of theirs almost always ends what
    waits for them too: so half as often as could be, and no more than a hundred a second.

    Args:
        elapsed_seconds: since the first look.
        unfinished: how many parents are not known to have ended.
    """
    cap = max(_PARENTS_CAP_SECONDS, _PARENT_CAP_SECONDS * unfinished)
    return min(cap, max(first_wait_seconds(unfinished), elapsed_seconds))


def _share(outstanding: int) -> float:
    return min(SHARE_OF_MANY, SHARE_OF_ONE + _FURTHER_SHARE * max(0, outstanding - 1))
