"""Leases: how long a received message stays ours, and when to ask for more time.

SQS hides a received message for its visibility timeout. As long as somebody here works on it,
the timeout is set anew before it ends, so that it can be short: a worker that dies gives its
messages up within one timeout, a task that takes hours is still handed out once. SQS ends a
lease 12 hours after the receive, whatever is asked (ChangeMessageVisibility in the SQS API
reference).

All times are of one monotonic clock. Where it is uncertain when SQS began to count, the earliest
moment is assumed.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import TypeVar

from celery_aws.core.backoff import Backoff, Random
from celery_aws.limits import SQS_VISIBILITY_TIMEOUT_SECONDS_MAX

K = TypeVar("K", bound=Hashable)

#: Part of the timeout that is left when more is asked for: room for several tries.
LEFT_WHEN_EXTENDED = 1 / 2

#: Part of the timeout by which an extension may come early, to share another one's request.
EARLY = 1 / 10

#: Part of the timeout that the answer to a receive may have been under way, unless it was known
#: to be less: a long poll does not say when SQS handed the message out.
LATE_ANSWER = 1 / 4

#: Seconds by which the limit of 12 hours is not used up.
LIMIT_MARGIN_SECONDS = 60.0

#: Seconds before the limit at which it is told that a lease will end.
LIMIT_WARNING_SECONDS = 900.0


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to one message."""

    #: The visibility timeout that is asked for each time.
    timeout_seconds: int
    #: From when on SQS may hand the message to somebody else.
    visible_at: float
    #: Until when it can be extended at most.
    limit_at: float
    #: When to ask for more; never, if nothing is to be gained.
    extend_at: float
    #: Extensions that failed in a row.
    failures: int = 0

    def extension_seconds(self, now: float) -> int:
        """Return the visibility timeout to ask for, counted from now."""
        return max(0, min(self.timeout_seconds, int(self.limit_at - now)))

    def extended(self, asked_at: float, seconds: int) -> "Lease":
        """SQS agreed to ``seconds``, asked for at ``asked_at``."""
        return _lease(self.timeout_seconds, asked_at + seconds, self.limit_at)

    def failed(self, now: float, jitter: Random) -> "Lease":
        """An extension found no answer: try again soon."""
        backoff = Backoff(
            base_seconds=min(1.0, self.timeout_seconds / 20),
            cap_seconds=self.timeout_seconds / 8,
        )
        wait = backoff.wait_seconds(self.failures, jitter)
        return replace(self, extend_at=now + wait, failures=self.failures + 1)

    def attention_at(self, *, warned: bool) -> float:
        """Return when to look at it next: to extend it, to tell of its limit, or of its end."""
        told_at = inf if warned else self.limit_at - LIMIT_WARNING_SECONDS
        ends_at = self.visible_at if self.extend_at == inf else inf
        return min(self.extend_at, told_at, ends_at)

    def over(self, now: float) -> bool:
        """Tell whether SQS may have handed the message to somebody else."""
        return now >= self.visible_at

    def near_limit(self, now: float) -> bool:
        """Tell whether it will end soon because 12 hours are over."""
        return now >= self.limit_at - LIMIT_WARNING_SECONDS


def lease_of_receive(timeout_seconds: int, *, asked_at: float, answered_at: float) -> Lease:
    """Return the lease of a message that was received with a visibility timeout.

    Args:
        timeout_seconds: sent with the receive.
        asked_at: when the receive was sent.
        answered_at: when its answer was there.
    """
    received_at = max(asked_at, answered_at - LATE_ANSWER * timeout_seconds)
    return _lease(
        timeout_seconds,
        received_at + timeout_seconds,
        received_at + SQS_VISIBILITY_TIMEOUT_SECONDS_MAX - LIMIT_MARGIN_SECONDS,
    )


def due_leases(leases: Iterable[tuple[K, Lease]], now: float) -> list[K]:
    """Return the keys of what to extend now: nothing, or all that is due or nearly so."""
    known = list(leases)
    if not any(lease.extend_at <= now for _, lease in known):
        return []
    return [key for key, lease in known if lease.extend_at <= now + EARLY * lease.timeout_seconds]


def _lease(timeout_seconds: int, visible_at: float, limit_at: float) -> Lease:
    # Less than a second to gain is not worth a request, and would be asked for in a loop.
    worth_it = limit_at - visible_at >= 1
    extend_at = visible_at - LEFT_WHEN_EXTENDED * timeout_seconds if worth_it else inf
    return Lease(
        timeout_seconds=timeout_seconds,
        visible_at=visible_at,
        limit_at=limit_at,
        extend_at=extend_at,
    )
