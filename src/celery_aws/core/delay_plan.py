"""What becomes of a task that has an eta: sent now, delayed by SQS, parked, or sent on in steps.

SQS delays by whole seconds, and a worker holds a task that is early until its time. So a delay
ends half a second to a second and a half before the eta: late by nothing but a slow poll, and held
for no longer than a short eta is.

SQS counts a queue's retention from the moment a message is sent, its delay included, and deletes
in silence what is over: so no delay is longer than half of it. Facts: SendMessage (DelaySeconds)
and CreateQueue (MessageRetentionPeriod) in the SQS API reference; "Setting-up dead-letter queue
retention in Amazon SQS" in the SQS developer guide (expiration by the original enqueue timestamp).
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias, Union

from celery_aws.core.queue_facts import QueueFacts
from celery_aws.limits import SQS_DELAY_SECONDS_MAX, SQS_RETENTION_SECONDS_MIN

#: Of a queue's retention a delay takes up one part in so many: the rest is for workers to receive
#: the message.
_RETENTION_PARTS = 2

#: Seconds for which every queue can delay a message, whatever its retention is.
DELAY_SECONDS_OF_ANY_QUEUE = SQS_RETENTION_SECONDS_MIN // _RETENTION_PARTS

#: By how much a delay ends before the eta, at least; it is less than a second more.
LEAD_SECONDS = 0.5

#: How long before its eta a task goes to a queue that takes no delay.
UNDELAYED_LEAD_SECONDS = 1.0

#: How much earlier than a short eta a task may arrive and still be held by the worker: clocks
#: differ, and a task that goes around once more costs three requests.
EARLY_GRACE_SECONDS = 2.0


@dataclass(frozen=True)
class Send:
    """Send it to SQS, to be received after ``delay_seconds``; None is no delay."""

    delay_seconds: int | None = None


@dataclass(frozen=True)
class Park:
    """Keep it in the schedule, and send it to SQS from ``send_after`` on."""

    send_after: datetime


@dataclass(frozen=True)
class Hop:
    """Send it to SQS with the longest delay; who receives it then sends it on."""

    delay_seconds: int


@dataclass(frozen=True)
class Hold:
    """Send it to SQS; the worker has to hold it, for there is no other way."""


Plan: TypeAlias = Union[Send, Park, Hop, Hold]  # noqa: UP007


def delay_plan(
    due: datetime,
    now: datetime,
    *,
    short_seconds: float,
    max_delay_seconds: int,
    parks: bool,
) -> Plan:
    """Return what becomes of a task.

    Args:
        due: its eta, aware.
        now: the time, aware.
        short_seconds: up to here the worker holds it.
        max_delay_seconds: what its queue delays a message at most; 0 for a FIFO queue.
        parks: there is a schedule to park it in.
    """
    left = seconds_until(due, now)
    if left <= short_seconds:
        return Send()
    if left <= max_delay_seconds:
        return Send(delay_for(due, now, max_delay_seconds=max_delay_seconds))
    if parks:
        return Park(send_after(due, max_delay_seconds=max_delay_seconds))
    return Hop(max_delay_seconds) if max_delay_seconds else Hold()


def send_after(due: datetime, *, max_delay_seconds: int) -> datetime:
    """Return from when on a task may go to its queue."""
    return due - timedelta(seconds=max_delay_seconds or UNDELAYED_LEAD_SECONDS)


def delay_for(due: datetime, now: datetime, *, max_delay_seconds: int) -> int | None:
    """Return the ``DelaySeconds`` with which a task goes to its queue now; None is none."""
    seconds = math.floor(min(seconds_until(due, now) - LEAD_SECONDS, max_delay_seconds))
    return seconds if seconds > 0 else None


def is_early(due: datetime, now: datetime, *, short_seconds: float) -> bool:
    """Tell whether a task that was received is too early to be held by a worker."""
    return seconds_until(due, now) > short_seconds + EARLY_GRACE_SECONDS


def seconds_until(due: datetime, now: datetime) -> float:
    """Return the seconds from ``now`` to ``due``; negative if it is over."""
    return (due - now).total_seconds()


def max_delay_seconds(facts: QueueFacts) -> int:
    """Return for how many seconds a message may be delayed in a queue, at most.

    At least half of the time for which the queue keeps the message is left after the delay. A
    queue whose retention is not known is taken to have SQS's default.
    """
    return min(SQS_DELAY_SECONDS_MAX, facts.retention_seconds // _RETENTION_PARTS)
