"""Sends a parked task to its queue before its time.

Its eta is taken out of its message, or a worker would hold it, or put it off again. The entry is
removed only once SQS has accepted the message: so a crash, or a mover at the same moment, may send
it twice, and nothing loses it.
"""

from dataclasses import replace
from enum import Enum

from celery_aws.clock import Clock
from celery_aws.core.parked_messages import mark_again
from celery_aws.core.parked_tasks import ParkedTask, may_be_moving
from celery_aws.core.schedule import ScheduledTask
from celery_aws.core.task_contents import without_eta
from celery_aws.errors import UnsupportedError
from celery_aws.schedule.messages import ParkedMessages
from celery_aws.table.schedule import Schedule


class Started(Enum):
    """What became of a task that was to run now; its value is for programs."""

    #: It is in its queue.
    SENT = "sent"
    #: It is in its queue, and a mover was at it too: it may be there twice.
    SENT_MAYBE_TWICE = "sent, maybe twice"
    #: It was not parked any more.
    GONE = "not parked any more"


class EarlyStart:
    """Lets parked tasks run now.

    Args:
        schedule: where they are parked.
        messages: sends them.
        clock: says which of them may be moved at this moment.
    """

    def __init__(self, schedule: Schedule, messages: ParkedMessages, clock: Clock) -> None:
        self._schedule = schedule
        self._messages = messages
        self._clock = clock

    def run_now(self, parked: ParkedTask) -> Started:
        """Send a task to its queue.

        Raises:
            UnsupportedError: its eta cannot be taken out of its message; nothing was done.
            CeleryAwsError: SQS has not got it, or may not have got it; it is still parked.

        Costs a GetItem, a SendMessage and a DeleteItem; for a large message also a BatchGetItem
        and a BatchWriteItem, or a GetObject, a PutObject and a DeleteObjects.
        """
        entry = self._schedule.entry(parked.key)
        try:
            task = None if entry is None else self._schedule.task_of(entry)
            if entry is None or task is None:
                return Started.GONE
            envelope = without_eta(self._messages.envelope(task))
        except ValueError as error:
            raise UnsupportedError(
                f"task {parked.task}[{parked.task_id}] cannot run before its time: {error}. Send "
                "it again without an eta, and cancel this one"
            ) from error
        moving = may_be_moving(task.send_after, self._clock.now())
        self._messages.send(_marked(task) if moving else task, envelope)
        if not self._schedule.take(entry):
            return Started.SENT_MAYBE_TWICE
        if not moving:
            self._messages.discard(task)
        return Started.SENT_MAYBE_TWICE if moving else Started.SENT


def _marked(task: ScheduledTask) -> ScheduledTask:
    return replace(task, message=mark_again(task.message))
