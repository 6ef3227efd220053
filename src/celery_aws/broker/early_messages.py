"""Messages that come long before their eta: sent on, to wait where nobody holds them.

What our own publishers send is early only if it goes to its eta in steps. The stock transport's
publishers send everything at once, and a Celery worker would hold it: in its memory, in flight, and
in the way of other tasks. So an early message departs once more, in the thread that settles
messages (:mod:`celery_aws.broker.errands`), and is worked on here only if that cannot be.

It is put off until its eta by the clock of this machine and no longer, and only where the delay is
SQS's or the schedule's: what is put off does not come back at once.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from celery_aws.broker.departures import Departures, Destination
from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.errands import Disposal
from celery_aws.broker.message import Receipt
from celery_aws.broker.status import delivery_record
from celery_aws.clock import Clock
from celery_aws.core.delay_plan import is_early, seconds_until
from celery_aws.core.hop_marks import hop_due
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.outages import Outage
from celery_aws.core.outgoing import message_sent_on
from celery_aws.core.task_eta import TaskTiming, received_timing
from celery_aws.errors import (
    AccessDeniedError,
    CeleryAwsError,
    CredentialsError,
    NotFoundError,
    TemporaryError,
)
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

#: Early messages that one connection sends on at a time. They cost their receivers no credits, and
#: stay in memory.
WAITING_MAX = 100

#: Seconds for which a receiver waits if they are too many, before the worker is handed one.
ROOM_SECONDS = 1.0

#: Seconds for which an AWS that did not answer is not asked for the early messages of a queue:
#: whoever waits for it settles nothing else.
OUTAGE_SECONDS = 5.0

#: Seconds for which early messages of a queue go to the worker, after AWS refused to take them.
REFUSED_SECONDS = 300.0

#: Messages remembered that were sent on, should their delete fail.
REMEMBERED_MESSAGES = 10_000


@dataclass(frozen=True, kw_only=True)
class EarlyMessage:
    """A message, and when it is due."""

    message: ReceivedMessage
    timing: TaskTiming
    due: datetime


class EarlyMessages:
    """Finds the early messages of one connection, and sends them on; thread-safe.

    Args:
        directory: of the broker.
        departures: where they go.
        worker_present: tells whether a Celery worker consumes here. Other consumers are handed what
            they receive, unless it is one of our own on its way.
        valid: tells whether a message is still ours, as far as can be known.
        clock: says what is early.
    """

    def __init__(
        self,
        *,
        directory: QueueDirectory,
        departures: Departures,
        worker_present: Callable[[], bool],
        valid: Callable[[Receipt], bool],
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._departures = departures
        self._worker_present = worker_present
        self._valid = valid
        self._clock = clock
        self._record = delivery_record()
        #: Why AWS could not be asked, and until when it is not asked again.
        self._outages: dict[AmqpQueue, Outage] = {}
        #: Until when it is believed that AWS refuses.
        self._refused_until: dict[AmqpQueue, float] = {}
        self._warned: set[AmqpQueue] = set()
        #: Ids of messages that were sent on; a dict is in the order of insertion.
        self._sent: dict[str, None] = {}
        self._waiting = 0
        self._changed = threading.Condition()

    def admit(self, message: ReceivedMessage, receipt: Receipt) -> EarlyMessage | None:
        """Return a message that is to be sent on by :meth:`send_on`, or None: it is for the worker.

        Blocks for :data:`ROOM_SECONDS` if too many wait for that.
        """
        early = self._early(message)
        if early is None or self._is_refused(receipt.queue):
            return None
        if not self._departures.can_delay(self._directory.name(receipt.queue)):
            return None
        return early if self._has_room(receipt.queue) else None

    def send_on(self, receipt: Receipt, early: EarlyMessage) -> Disposal:
        """Send on a message that was admitted; the errand of its settlement.

        Raises:
            TemporaryError, CredentialsError: to be tried again.

        Costs what :meth:`Departures.send_on` costs.
        """
        try:
            disposal = self._disposal(receipt, early)
        except (TemporaryError, CredentialsError) as error:
            until = self._clock.monotonic() + OUTAGE_SECONDS
            self._outages.setdefault(receipt.queue, Outage(error, until))
            raise
        except BaseException:
            self._leaves()
            raise
        self._leaves()
        return disposal

    def _early(self, message: ReceivedMessage) -> EarlyMessage | None:
        due = hop_due(message.message_attributes)
        if message.error is not None or (due is None and not self._worker_present()):
            return None
        timing = received_timing(message.payload)
        timing = timing or TaskTiming(task_id=None, task=None, eta=None)
        due = due or timing.eta
        if due is None or not self._is_early(due):
            return None
        return EarlyMessage(message=message, timing=timing, due=due)

    def _is_early(self, due: datetime) -> bool:
        short_seconds = self._directory.options.short_eta_seconds
        return is_early(due, self._clock.now(), short_seconds=short_seconds)

    def _disposal(self, receipt: Receipt, early: EarlyMessage) -> Disposal:
        if early.message.message_id in self._sent:
            # It came again, because it could not be deleted.
            return Disposal.MOVED
        if not self._valid(receipt):
            # Somebody else may have it by now.
            return Disposal.LEFT
        if not self._is_early(early.due) or self._is_refused(receipt.queue):
            return Disposal.KEPT
        self._raise_outage(receipt.queue)
        try:
            if not self._sent_on(receipt, early):
                return Disposal.KEPT
        except (TemporaryError, CredentialsError):
            raise
        except CeleryAwsError as error:
            self._refused(receipt.queue, error)
            return Disposal.KEPT
        self._remember(early.message.message_id)
        self._record.count("put_off")
        return Disposal.MOVED

    def _sent_on(self, receipt: Receipt, early: EarlyMessage) -> bool:
        address = receipt.address
        destination = Destination(
            queue=receipt.queue, name=self._directory.name(receipt.queue), address=address
        )
        outgoing = message_sent_on(early.message, address.url)
        if not self._departures.send_on(destination, outgoing, early.timing, early.due):
            return False
        logger.debug(
            "queue %s: task %s[%s] is due in %.0f s, and was sent on",
            receipt.queue,
            early.timing.task,
            early.timing.task_id,
            seconds_until(early.due, self._clock.now()),
        )
        return True

    def _refused(self, queue: AmqpQueue, error: CeleryAwsError) -> None:
        if isinstance(error, AccessDeniedError | NotFoundError):
            # So it would be with every other message.
            self._refused_until[queue] = self._clock.monotonic() + REFUSED_SECONDS
        if queue not in self._warned:
            self._warned.add(queue)
            logger.warning(
                "queue %s: tasks that come long before their eta cannot be sent on, and are held "
                "by the worker until then. Grant sqs:SendMessage on the queue, and "
                "dynamodb:PutItem on the coordination table: %s",
                queue,
                error,
            )

    def _is_refused(self, queue: AmqpQueue) -> bool:
        return self._clock.monotonic() < self._refused_until.get(queue, 0.0)

    def _raise_outage(self, queue: AmqpQueue) -> None:
        outage = self._outages.get(queue)
        if outage is not None:
            outage.raise_if_on(self._clock.monotonic())
            self._outages.pop(queue, None)

    def _has_room(self, queue: AmqpQueue) -> bool:
        patience = 0.0 if queue in self._outages else ROOM_SECONDS
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting < WAITING_MAX, patience):
                return False
            self._waiting += 1
            return True

    def _leaves(self) -> None:
        with self._changed:
            self._waiting -= 1
            self._changed.notify_all()

    def _remember(self, message_id: str) -> None:
        self._sent[message_id] = None
        while len(self._sent) > REMEMBERED_MESSAGES:
            del self._sent[next(iter(self._sent))]
