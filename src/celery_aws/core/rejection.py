"""What becomes of a message that a task rejects: the stock transport's rules, as a function.

Rejected to be tried again, it goes back to its queue at once. Rejected for good, it is deleted,
unless its queue has a dead-letter queue (then SQS has to go on handing it out until it moves
it there) or its task has a back-off policy, which relies on SQS handing it out again. Facts:
kombu/transport/SQS/__init__.py ``basic_reject`` and ``QoS.reject``.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum


class Fate(Enum):
    """What to do with a rejected message."""

    DELETE = "delete"
    #: Let the queue hand it out again after :attr:`Rejection.visible_in_seconds`.
    GIVE_BACK = "give back"
    #: Do nothing: the queue hands it out again when its visibility timeout ends.
    LEAVE = "leave"


@dataclass(frozen=True, kw_only=True)
class BackoffPolicy:
    """Seconds to wait before a rejected message is handed out again.

    Attributes:
        tasks: the names of the tasks that it is for.
        seconds_by_receive: by how often the message was received, from 1.
    """

    tasks: Collection[str] = ()
    seconds_by_receive: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """The fate of one message."""

    fate: Fate
    visible_in_seconds: int = 0


def rejection(
    *,
    requeue: bool,
    task: str | None,
    receive_count: int,
    policy: BackoffPolicy,
    has_dead_letter_queue: bool,
) -> Rejection:
    """Decide what becomes of a rejected message.

    Args:
        requeue: the task wants it to be tried again.
        task: the task's name, None if the message names none.
        receive_count: how often SQS handed the message out.
        policy: of its queue.
        has_dead_letter_queue: its queue has a redrive policy.
    """
    if task in policy.tasks:
        seconds = policy.seconds_by_receive.get(receive_count)
        if seconds is not None:
            return Rejection(fate=Fate.GIVE_BACK, visible_in_seconds=seconds)
        return Rejection(fate=Fate.GIVE_BACK if requeue else Fate.LEAVE)
    if requeue:
        return Rejection(fate=Fate.GIVE_BACK)
    return Rejection(fate=Fate.LEAVE if has_dead_letter_queue else Fate.DELETE)
