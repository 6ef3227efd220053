"""Which SQS queues somebody left behind, and how sure that is. No I/O.

The stock transport makes a queue for each monitor, each client of remote control and each worker's
mailbox, and leaves those of the first two behind for ever. A queue does not tell whether anybody
receives from it. That nobody does is sure only of one that a living process would have emptied
within seconds, and has a message of yesterday. A client of remote control looks at its replies
only after a command, and fails with its next one if they are gone, so of those nothing is sure.
Our inboxes have a registry, which is. Names: kombu/transport/SQS/__init__.py (``entity_name``),
kombu/pidbox.py (``Mailbox``, ``get_reply_queue``), celery/events/receiver.py.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from celery_aws.core.inboxes import INBOX_ID_CHARACTERS, inbox_name, is_inbox_name
from celery_aws.core.queue_depth import QueueDepth
from celery_aws.core.queue_names import FIFO_SUFFIX, queue_name
from celery_aws.names import AmqpQueue, InboxId, QueueName, QueueUrl

#: No queue is said to be left behind that is younger.
YOUNG: Final = timedelta(hours=1)

#: From this age on, a queue is probably left behind, and one with such a message surely.
OLD: Final = timedelta(days=1)

_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Kind(Enum):
    """What a queue was made for."""

    EVENTS = "events for a monitor (stock)"
    REPLIES = "replies to remote control (stock)"
    MAILBOX = "commands for a worker (stock)"
    INBOX = "inbox of a process"


class Certainty(Enum):
    """How sure it is that nobody uses a queue."""

    SURE = "sure"
    PROBABLE = "probable"
    IN_USE = "may be in use"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is thought of a queue, and why."""

    certainty: Certainty
    reason: str


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A queue that somebody may have left behind.

    Attributes:
        name: on AWS.
        url: where it is.
        kind: what it was made for.
        created_at: when.
        modified_at: when an attribute was last changed; receives and sends change none.
        depth: its messages.
        oldest_at: when the oldest of some of its messages was sent; None if nobody looked, or it
            has none.
        judgement: whether it was left behind.
    """

    name: QueueName
    url: QueueUrl
    kind: Kind
    created_at: datetime
    modified_at: datetime
    depth: QueueDepth
    oldest_at: datetime | None = None
    judgement: Judgement


def kind_of(name: QueueName, prefix: str) -> Kind | None:
    """Return what a queue was made for by its name; None if it is not one that is left behind.

    Args:
        name: on AWS.
        prefix: of the app's queues.
    """
    # Of this prefix only: the registry does not know the inboxes of other ones.
    if is_inbox_name(name) and name == inbox_name(prefix, inbox_of(name)):
        return Kind.INBOX
    base = name.removeprefix(queue_name(AmqpQueue(prefix)))
    for kind, pattern in _PATTERNS.items():
        if pattern.fullmatch(base):
            return kind
    return None


def inbox_of(name: QueueName) -> InboxId:
    """Return the id of an inbox, from its name."""
    return InboxId(name.removesuffix(FIFO_SUFFIX)[-INBOX_ID_CHARACTERS:])


def judge(
    kind: Kind,
    depth: QueueDepth,
    age: timedelta,
    *,
    unread: timedelta | None = None,
    registered: bool | None = None,
    only_registry: bool = True,
) -> Judgement:
    """Return how sure it is that nobody uses a queue.

    Args:
        kind: what it was made for.
        depth: its messages.
        age: since it was made.
        unread: for how long a message has waited there; None if there is none, or nobody looked.
        registered: of an inbox, whether its process has it in the registry; None if the registry
            was not read.
        only_registry: False if others with the same prefix may have a registry of their own.
    """
    if kind is Kind.INBOX and registered is not False:
        reason = "its process has it in the registry" if registered else "there is no registry here"
        return Judgement(certainty=Certainty.IN_USE, reason=reason)
    if depth.in_flight:
        reason = f"somebody has received {depth.in_flight} message(s) from it just now"
        return Judgement(certainty=Certainty.IN_USE, reason=reason)
    if age < YOUNG:
        return Judgement(certainty=Certainty.IN_USE, reason="it was made within the last hour")
    if kind is Kind.INBOX:
        certainty = Certainty.SURE if only_registry else Certainty.PROBABLE
        return Judgement(certainty=certainty, reason="no process has it in the registry")
    return _judge_stock(kind, age, unread)


def _judge_stock(kind: Kind, age: timedelta, unread: timedelta | None) -> Judgement:
    if kind is Kind.REPLIES:
        certainty = Certainty.PROBABLE if age >= OLD else Certainty.IN_USE
        return Judgement(certainty=certainty, reason="its client may read it with its next command")
    if unread is not None and unread >= YOUNG:
        # A worker that was stopped comes back to its mailbox.
        sure = kind is Kind.EVENTS and unread >= OLD
        certainty = Certainty.SURE if sure else Certainty.PROBABLE
        hours = int(unread / timedelta(hours=1))
        return Judgement(certainty=certainty, reason=f"nobody has read a message for {hours} h")
    if kind is Kind.EVENTS and age >= OLD:
        reason = "left behind, or a monitor with the stock transport reads it"
        return Judgement(certainty=Certainty.PROBABLE, reason=reason)
    reason = "a process with the stock transport may read it"
    return Judgement(certainty=Certainty.IN_USE, reason=reason)


def is_read_all_the_time(kind: Kind) -> bool:
    """Tell whether a message that waits there says that nobody reads it."""
    return kind in (Kind.EVENTS, Kind.MAILBOX)


_PATTERNS: Final = {
    Kind.EVENTS: re.compile(rf"celeryev-{_UUID}"),
    Kind.REPLIES: re.compile(rf"{_UUID}-reply-celery-pidbox"),
    Kind.MAILBOX: re.compile(r".+-celery-pidbox"),
}
