"""What a queue is declared to be, and whether it lives on SQS or in its process's memory.

A queue that goes with its consumer needs no queue on SQS, which takes a second to be there, 60 s to
be gone, and stays for ever when its owner is killed. What several processes may share, and tasks
may wait in, is on SQS, whatever else is said of it: there nothing is lost with a process. Facts:
kombu/pidbox.py ``get_queue``, celery/events/receiver.py, celery/backends/rpc.py, kombu/common.py
``Broadcast``; RabbitMQ's documentation of "Queues" and of "Time-to-Live and Expiration".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Home(Enum):
    """Where the messages of a queue are."""

    #: On SQS.
    SQS = "sqs"
    #: In the memory of the process that declares it.
    MEMORY = "memory"
    #: On SQS unless it is bound to a fanout exchange: that is what a Broadcast queue is.
    BY_BINDING = "by binding"


@dataclass(frozen=True, kw_only=True)
class QueueTraits:
    """How a transient queue ends, and its messages.

    Attributes:
        exclusive: with the connection that declared it.
        auto_delete: with its last consumer.
        expires_seconds: after so long without a consumer; None is never.
        message_ttl_seconds: after so long without a consumer, its messages; None is never.
        prioritised: what waits is in the order of its priorities.
    """

    exclusive: bool = False
    auto_delete: bool = False
    expires_seconds: float | None = None
    message_ttl_seconds: float | None = None
    prioritised: bool = False

    @classmethod
    def of(
        cls, *, exclusive: bool, auto_delete: bool, arguments: Mapping[str, Any]
    ) -> "QueueTraits":
        """Return the traits of a declaration.

        Args:
            exclusive: as AMQP says it.
            auto_delete: as AMQP says it.
            arguments: by RabbitMQ's names; ``x-expires`` and ``x-message-ttl`` are milliseconds.

        Raises:
            ValueError: one of them is no number.
        """
        return cls(
            exclusive=exclusive,
            auto_delete=auto_delete,
            expires_seconds=_seconds(arguments.get("x-expires")),
            message_ttl_seconds=_seconds(arguments.get("x-message-ttl")),
            prioritised=bool(arguments.get("x-max-priority")),
        )

    @property
    def home(self) -> Home:
        """Where its messages are."""
        if self.exclusive or (self.auto_delete and self.expires_seconds is not None):
            return Home.MEMORY
        return Home.BY_BINDING if self.auto_delete else Home.SQS


def _seconds(milliseconds: Any) -> float | None:
    return None if milliseconds is None else float(milliseconds) / 1000
