"""What becomes of a message that is published: sent to SQS, with a delay or without, or parked.

And of one that was received too early: it departs once more. The decision is
:mod:`celery_aws.core.delay_plan`'s. Whatever it is, publishing has returned when the message is
safe: SQS has it, or the coordination table.
"""

import logging
import math
from dataclasses import dataclass, replace
from datetime import datetime

from kombu.utils.uuid import uuid

from celery_aws.broker.coordination import Coordination
from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.large_messages import Deliver, LargeMessages
from celery_aws.broker.queue_attributes import queue_attributes
from celery_aws.clock import Clock
from celery_aws.config.broker import BrokerOptions
from celery_aws.core.delay_plan import Hold, Hop, Park, Plan, Send, delay_plan, seconds_until
from celery_aws.core.hop_marks import mark_hop, unmark_hop
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_messages import mark_parked, parked_task_id
from celery_aws.core.queue_names import is_fifo
from celery_aws.core.refusals import refusal_of
from celery_aws.core.schedule import FIFO, STANDARD, ScheduledTask
from celery_aws.core.task_eta import TaskTiming
from celery_aws.errors import (
    AccessDeniedError,
    InvalidRequestError,
    TableNotFoundError,
    UnsupportedError,
)
from celery_aws.limits import SQS_VISIBILITY_TIMEOUT_SECONDS_MAX
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.table.schedule import Schedule

logger = logging.getLogger(__name__)

#: Requests of one step of a task that goes through SQS every 900 s: sent, received, deleted.
HOP_REQUESTS = 3

#: The longest time for which a worker may hold a task: the lease of its message ends at 12 hours,
#: and it has to wait for a worker before and to run after.
HOLD_SECONDS_MAX = SQS_VISIBILITY_TIMEOUT_SECONDS_MAX - 3_600

_PARKING_REMEDY = (
    "A task with an eta beyond what SQS can delay is parked in this table: grant dynamodb:PutItem "
    "on it to whoever sends tasks, and create it with `celery -A proj aws create-table` if that is "
    "not allowed to them; or set broker_transport_options['coordination_table'] to False"
)

_TABLE_OPTION = "broker_transport_options['coordination_table']"


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a message goes, by all the names of it."""

    queue: AmqpQueue
    name: QueueName
    address: QueueAddress


class Departures:
    """Sends the messages of one connection on their way; thread-safe.

    Args:
        options: of the broker.
        large_messages: sends those that are too large for their queue.
        coordination: where tasks are parked; None if that is off.
        clock: says how long it is until an eta.
    """

    def __init__(
        self,
        options: BrokerOptions,
        large_messages: LargeMessages,
        coordination: Coordination | None,
        clock: Clock,
    ) -> None:
        self._options = options
        self._large_messages = large_messages
        self._coordination = coordination
        self._clock = clock
        self._warned: set[QueueName] = set()

    def send(
        self,
        destination: Destination,
        message: OutgoingMessage,
        timing: TaskTiming | None,
        deliver: Deliver | None = None,
    ) -> None:
        """Send a message, now or in time for the eta of its task.

        Args:
            destination: where to.
            message: what; a delay of its own is stronger than an eta.
            timing: what it says of its task, if it is a task.
            deliver: instead of sending it: to collect it for a batch. What is parked is parked.

        Raises:
            UnsupportedError: an eta that nothing but a worker could wait for, longer than it can.
            MessageTooLargeError: the queue does not take it, and there is no bucket.
            InvalidRequestError: SQS would refuse it when its time has come.
            AwsError: AWS refused or did not answer.

        Costs one SendMessage, or what :meth:`~celery_aws.table.schedule.Schedule.park` does; for
        what is too large also what :meth:`LargeMessages.send` does, and a GetQueueAttributes for
        a queue every five minutes while tasks are delayed by more than 30 s.
        """
        if timing is None or timing.eta is None or message.delay_seconds is not None:
            self._send(destination, message, deliver)
            return
        plan = self._plan(destination, message, timing.eta)
        if isinstance(plan, Hold):
            self._check_hold(destination, timing, timing.eta)
        self._carry_out(plan, destination, message, timing, timing.eta, deliver=deliver)

    def send_on(
        self, destination: Destination, message: OutgoingMessage, timing: TaskTiming, due: datetime
    ) -> bool:
        """Send a message that was received too early to where it waits, in time for its eta.

        Args:
            destination: the queue that it came from.
            message: as it came.
            timing: what it says of its task.
            due: its eta.

        Returns:
            False if only a worker can wait for it; then nothing was sent.

        Raises:
            MessageTooLargeError: the queue does not take it, and there is no bucket.
            AwsError: AWS refused or did not answer.

        Costs what :meth:`send` costs.
        """
        message = unmark_hop(message)
        plan = self._plan(destination, message, due)
        if isinstance(plan, Hold) or plan == Send():
            return False
        self._carry_out(plan, destination, message, timing, due)
        return True

    def can_delay(self, queue: QueueName) -> bool:
        """Tell whether anything but a worker waits for the etas of a queue's tasks."""
        return self._coordination is not None or not is_fifo(queue)

    def _plan(self, destination: Destination, message: OutgoingMessage, due: datetime) -> Plan:
        now = self._clock.now()
        left = seconds_until(due, now)
        if left <= self._options.short_eta_seconds:
            return Send()
        # What was parked before came early because clocks differ; by the clock of whoever moves
        # parked tasks it would be late again, and come back at once.
        parked_before = parked_task_id(message.message_attributes) is not None
        return delay_plan(
            due,
            now,
            short_seconds=self._options.short_eta_seconds,
            max_delay_seconds=self._max_delay_seconds(destination, left),
            parks=self._coordination is not None and not parked_before,
        )

    def _carry_out(
        self,
        plan: Plan,
        destination: Destination,
        message: OutgoingMessage,
        timing: TaskTiming,
        due: datetime,
        *,
        deliver: Deliver | None = None,
    ) -> None:
        if isinstance(plan, Park) and self._coordination is not None:
            scheduled = ScheduledTask(
                task_id=timing.task_id or uuid(),
                task=timing.task,
                due=due,
                send_after=plan.send_after,
                queue=destination.queue,
                queue_url=destination.address.url,
                message=message,
            )
            self._park(destination, scheduled, self._coordination.schedule)
            return
        if isinstance(plan, Hop):
            self._warn_of_hops(destination, due)
            message = mark_hop(message, due)
        if isinstance(plan, Send | Hop) and plan.delay_seconds is not None:
            message = replace(message, delay_seconds=plan.delay_seconds)
        self._send(destination, message, deliver)

    def _send(
        self, destination: Destination, message: OutgoingMessage, deliver: Deliver | None
    ) -> None:
        self._large_messages.send(
            destination.address, message, queue=destination.name, deliver=deliver
        )

    def _check_hold(self, destination: Destination, timing: TaskTiming, due: datetime) -> None:
        left = seconds_until(due, self._clock.now())
        if left > HOLD_SECONDS_MAX:
            raise UnsupportedError(
                f"queue {destination.name}: a FIFO queue takes no delay of a single message, and a "
                f"worker cannot hold the task {timing.task}[{timing.task_id}] for {left:.0f} s, "
                f"only for {HOLD_SECONDS_MAX}. Set {_TABLE_OPTION}, or use a standard queue"
            )

    def _max_delay_seconds(self, destination: Destination, left_seconds: float) -> int:
        if is_fifo(destination.name):
            return 0
        attributes = queue_attributes(self._clock)
        return attributes.max_delay_seconds(destination.address, left_seconds)

    def _park(self, destination: Destination, scheduled: ScheduledTask, schedule: Schedule) -> None:
        lane = FIFO if is_fifo(destination.name) else STANDARD
        refusal = refusal_of(scheduled.message)
        if refusal is not None:
            raise InvalidRequestError(
                refusal, service="sqs", operation="SendMessage", resource=destination.name
            )
        try:
            self._large_messages.send(
                destination.address,
                mark_parked(scheduled.message, scheduled.task_id),
                queue=destination.name,
                deliver=lambda fitting: schedule.park(replace(scheduled, message=fitting), lane),
            )
        except (AccessDeniedError, TableNotFoundError) as error:
            if error.service != "dynamodb":
                raise
            raise error.with_remedy(_PARKING_REMEDY) from error

    def _warn_of_hops(self, destination: Destination, due: datetime) -> None:
        if destination.name in self._warned or self._coordination is not None:
            return
        self._warned.add(destination.name)
        left_seconds = seconds_until(due, self._clock.now())
        most = self._max_delay_seconds(destination, left_seconds)
        logger.warning(
            "queue %s: without %s a task that is due in %.0f s goes through SQS every %s s until "
            "then, which costs some %s requests; parked in the table it would cost two writes and "
            "three requests",
            destination.name,
            _TABLE_OPTION,
            left_seconds,
            most,
            HOP_REQUESTS * math.ceil(left_seconds / most),
        )
