"""What becomes of a message that a worker rejects, as a function.

Rejected to be tried again, it goes back to its queue at once. Rejected for good, it shall not run
again: as with any broker that has dead letters, it goes to the dead-letter queue, and where there
is none it is deleted, as if acknowledged. Only what the worker does not understand stays in its
queue for now: a newer worker may know the task, and SQS moves it away after its receives. A task
with a back-off policy is handed out again as its policy says. Facts: "Reject" in Celery's user
guide of tasks; kombu/transport/SQS/__init__.py ``basic_reject`` and ``QoS.reject``.
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
    #: Move it to the dead-letter queue of its queue now; delete it if there is none.
    MOVE_OR_DELETE = "move or delete"
    #: Leave it, for SQS to move it after its receives; delete it if there is no dead-letter queue,
    #: because then it would come back for ever.
    LEAVE_OR_DELETE = "leave or delete"


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
    understood: bool,
) -> Rejection:
    """Decide what becomes of a rejected message.

    Args:
        requeue: the task wants it to be tried again.
        task: the task's name, None if the message names none.
        receive_count: how often SQS handed the message out.
        policy: of its queue.
        understood: the worker could decode it and knows its task, so that it would do the same
            with it the next time.
    """
    if task in policy.tasks:
        seconds = policy.seconds_by_receive.get(receive_count)
        if seconds is not None:
            return Rejection(fate=Fate.GIVE_BACK, visible_in_seconds=seconds)
        return Rejection(fate=Fate.GIVE_BACK if requeue else Fate.LEAVE)
    if requeue:
        return Rejection(fate=Fate.GIVE_BACK)
    return Rejection(fate=Fate.MOVE_OR_DELETE if understood else Fate.LEAVE_OR_DELETE)
