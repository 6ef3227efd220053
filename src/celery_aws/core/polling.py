"""How a receiver polls its queue: how many messages, for how long, and the rest after it.

A long poll cannot be called back, and its reserved credits are nobody else's until it ends.
So no long poll takes the last credit if it can help it: a queue that is consumed from now on
(``add_consumer``) must not wait for it. A receiver that shares its channel's credits takes
only one while its queue is quiet, and when credits are short it also polls shorter, that a
busy queue is not held up by a quiet one, nor the other way round.
"""

from dataclasses import dataclass

from celery_aws.core.credits import Credits
from celery_aws.limits import SQS_BATCH_ENTRIES, SQS_WAIT_TIME_SECONDS_MAX

#: Seconds of a poll of a busy queue. It finds messages at once, or the burst is over.
BUSY_WAIT_SECONDS = 1

#: Seconds of a poll while there are fewer than two credits for each receiver.
SCARCE_WAIT_SECONDS = 5

#: Seconds of a poll while receivers of other quiet queues wait for the credit.
TURN_WAIT_SECONDS = 2

#: Seconds to rest after a short poll (0 s) that brought nothing, if nobody said another time:
#: without a rest it would be thousands of requests a second.
SHORT_POLL_REST_SECONDS = 1.0

#: Seconds for which a queue has to be quiet before it is polled less often, if that is wanted.
IDLE_AFTER_SECONDS = 300.0

#: Rest between the polls of such a queue, as part of the time for which it has been quiet.
IDLE_REST = 1 / 10

#: Seconds that a quiet queue's receiver leaves its credit to a busy one that waits for it.
YIELD_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Contention:
    """Who else wants the channel's credits."""

    #: Receivers of the channel, this one included.
    receivers: int = 1
    #: Other receivers that wait for a credit now, and how many of them were busy.
    waiting: int = 0
    waiting_busy: int = 0


@dataclass(frozen=True, kw_only=True)
class Poll:
    """One ReceiveMessage."""

    max_messages: int
    wait_seconds: int
    #: Rest after it if it brings nothing.
    rest_seconds: float = 0.0


def next_poll(
    credits: Credits,  # noqa: A002 - the field's own word
    contention: Contention,
    *,
    busy: bool,
    wait_time_seconds: int,
    rest_seconds: float = 0.0,
    idle_rest_seconds: float = 0.0,
) -> Poll | None:
    """Decide the next poll of one receiver.

    Args:
        credits: the channel's books.
        contention: who else wants its credits.
        busy: the receiver's last poll brought messages.
        wait_time_seconds: the longest poll wanted.
        rest_seconds: the rest wanted after a poll that brought nothing.
        idle_rest_seconds: the same for a queue that shares its worker with others.

    Returns:
        The poll, or None while no credit is free.
    """
    free = credits.free
    if free == 0:
        return None
    if busy:
        return Poll(
            max_messages=_busy_share(free, contention),
            wait_seconds=min(wait_time_seconds, BUSY_WAIT_SECONDS),
        )
    if free is None or contention.receivers <= 1:
        return Poll(
            max_messages=_lone_share(free),
            wait_seconds=wait_time_seconds,
            rest_seconds=_rest(wait_time_seconds, rest_seconds),
        )
    rest_seconds = max(rest_seconds, idle_rest_seconds)
    if contention.waiting_busy:
        return Poll(max_messages=1, wait_seconds=0, rest_seconds=max(rest_seconds, YIELD_SECONDS))
    return Poll(
        max_messages=1,
        wait_seconds=min(wait_time_seconds, _quiet_wait(credits, contention)),
        rest_seconds=_rest(wait_time_seconds, rest_seconds),
    )


def may_double(credits: Credits, receivers: int) -> bool:  # noqa: A002 - the field's own word
    """Tell whether a receiver may ask for ten messages more while it asks for some.

    Args:
        credits: the channel's books.
        receivers: of the channel; a full receive of each is left to them.
    """
    return credits.free is None or credits.free >= SQS_BATCH_ENTRIES * (1 + receivers)


def idle_rest_seconds(quiet_seconds: float, most_seconds: float) -> float:
    """Return the rest between polls of a queue that shares its worker with others.

    Args:
        quiet_seconds: for how long it has brought nothing.
        most_seconds: the longest rest wanted; 0 is none.
    """
    if quiet_seconds < IDLE_AFTER_SECONDS:
        return 0.0
    return min(most_seconds, IDLE_REST * quiet_seconds)


def _rest(wait_time_seconds: int, rest_seconds: float) -> float:
    if wait_time_seconds:
        return rest_seconds
    return rest_seconds or SHORT_POLL_REST_SECONDS


def _busy_share(free: int | None, contention: Contention) -> int:
    if free is None:
        return SQS_BATCH_ENTRIES
    # One credit is left for each receiver that waits.
    return min(SQS_BATCH_ENTRIES, max(1, free - contention.waiting))


def _lone_share(free: int | None) -> int:
    if free is None:
        return SQS_BATCH_ENTRIES
    return min(SQS_BATCH_ENTRIES, max(1, free - 1))


def _quiet_wait(credits: Credits, contention: Contention) -> int:  # noqa: A002
    if contention.waiting:
        return TURN_WAIT_SECONDS
    if credits.prefetch_count < 2 * contention.receivers:
        return SCARCE_WAIT_SECONDS
    return SQS_WAIT_TIME_SECONDS_MAX  # enough for everybody
