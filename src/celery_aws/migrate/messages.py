"""A message on its way from one broker to another, as values.

What a source makes of what it holds, and what a target makes of it: neither knows the other.
Envelopes are kombu's virtual messages, the form that the Redis transport stores and that ours
sends; a message of RabbitMQ is brought into it. Facts: kombu/transport/virtual/base.py,
kombu/transport/redis.py.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from celery_aws.names import AmqpQueue


@dataclass(frozen=True, kw_only=True)
class Carried:
    """One message that can be read.

    Attributes:
        key: says which one it is, in its source; the same however often it is claimed, and for no
            other message.
        queue: Celery's name of the queue for which it waits, priority steps and delays aside.
        envelope: the virtual message: ``body`` (text), ``headers``, ``properties``, ``content-
            type``, ``content-encoding``. What ``properties["body_encoding"]`` says is how the body
            is written.
        priority: 0 is first, as on Redis and here; None if its source gives it none.
    """

    key: str
    queue: AmqpQueue
    envelope: Mapping[str, Any]
    priority: int | None = None

    @property
    def task_id(self) -> str | None:
        """The id of its task; None if it is no task of Celery's."""
        headers = self.envelope.get("headers") or {}
        properties = self.envelope.get("properties") or {}
        found = headers.get("id") or properties.get("correlation_id")
        return str(found) if found else None


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """One message that nobody can read: it goes into the quarantine file as it is.

    Attributes:
        key: as that of a :class:`Carried`.
        queue: where it was.
        raw: its bytes.
        reason: what is wrong with it, for the operator.
    """

    key: str
    queue: AmqpQueue
    raw: bytes
    reason: str


Message: TypeAlias = Carried | Unreadable


class Fate(enum.Enum):
    """What became of a message that was claimed."""

    #: The target has it.
    SENT = "sent"
    #: The target cannot take it; it is in the quarantine file.
    QUARANTINED = "quarantined"
    #: It was revoked; it is in the quarantine file, and its task will not run.
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The target has it.

    Attributes:
        message_id: its name there; empty if it has none.
        parked: it waits in the schedule, and not in its queue.
    """

    message_id: str
    parked: bool = False


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The target will never take it: too large, or not to be written.

    Attributes:
        reason: why, for the operator.
    """

    reason: str


@dataclass(frozen=True, kw_only=True)
class Unsent:
    """It was not sent this time; the next time it may be.

    Attributes:
        error: why. It says whether the target may have it all the same
            (:func:`celery_aws.core.outgoing_entries.may_be_accepted`).
    """

    error: Exception


Answer: TypeAlias = Sent | Refused | Unsent
