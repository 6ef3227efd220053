"""The thread that receives what is sent to a process's inbox, and puts it into its queues.

What it has received is in memory when it is deleted: a transient queue's messages are lost with its
process, and SQS need not keep them. Order within a sender is the FIFO queue's: the next message of
a sender comes only when the ones before are deleted.
"""

import logging
import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from celery_aws.aws.sqs import QueueService
from celery_aws.background import BackgroundThread
from celery_aws.clock import Clock
from celery_aws.control.transient_queues import TransientQueues
from celery_aws.core.backoff import Backoff, Random
from celery_aws.core.failure_log import log_failure
from celery_aws.core.inboxes import INBOX_RETENTION_SECONDS, INBOX_VISIBILITY_TIMEOUT_SECONDS
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.parcels import unpack
from celery_aws.errors import AwsError, QueueNotFoundError
from celery_aws.limits import SQS_BATCH_ENTRIES
from celery_aws.names import QueueUrl, ReceiptHandle

logger = logging.getLogger(__name__)

_BACKOFF = Backoff(base_seconds=0.2, cap_seconds=5.0)

#: Seconds for which a queue that SQS does not know may be one that was just made.
NEW_QUEUE_SECONDS = 10.0

#: Seconds between two polls of who only monitors: a poll ends with the first message that is there,
#: and two requests for each message of a hundred workers cost more than what they send.
REST_SECONDS = 1.0

#: Ids of messages that were received, to know those that could not be deleted.
_REMEMBERED = 1_000


class InboxReceiver(BackgroundThread):
    """Receives from one inbox until stopped, or until the inbox is gone.

    Args:
        service: asks SQS.
        url: of the inbox's queue.
        queues: what it feeds.
        on_changed: is told the exchanges whose bindings changed; None is that changes may have been
            missed, as those before the first poll that the new queue answers.
        on_lost: is told that the queue is gone.
        wait_seconds: of one long poll.
        clock: measures ages and pauses.
        rests: tells whether nothing that comes is in a hurry.
        jitter: random numbers for pauses after failures.

    Attributes:
        has_polled: the queue has answered: what is sent to it arrives.
    """

    def __init__(
        self,
        *,
        service: QueueService,
        url: QueueUrl,
        queues: TransientQueues,
        on_changed: Callable[[Sequence[str] | None], None],
        on_lost: Callable[[], None],
        wait_seconds: int,
        clock: Clock,
        rests: Callable[[], bool] = lambda: False,
        jitter: Random = random.random,
    ) -> None:
        super().__init__("celery-aws-inbox")
        self.has_polled = False
        self._service = service
        self._url = url
        self._queues = queues
        self._on_changed = on_changed
        self._on_lost = on_lost
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._rests = rests
        self._jitter = jitter
        self._began = self._polled = clock.monotonic()
        self._received: OrderedDict[str, None] = OrderedDict()
        self._undeleted: list[ReceiptHandle] = []
        self._failures = 0
        self._changed = threading.Condition()

    def run(self) -> None:
        """Poll until stopped."""
        while not self.stopping:
            pause_seconds = self.turn()
            if pause_seconds is None:
                return
            with self._changed:
                if pause_seconds and not self.stopping:
                    self._clock.wait(self._changed, pause_seconds)

    def wake(self) -> None:
        """End a pause."""
        with self._changed:
            self._changed.notify_all()

    def wait_until_polled(self, timeout_seconds: float) -> bool:
        """Wait for the first answer, if the thread runs; False if none came in time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self.has_polled or not self.alive, timeout_seconds
            )

    def turn(self) -> float | None:
        """Poll once and hand on what came.

        Returns:
            The seconds until the next poll; None if the inbox is gone.

        Costs one ReceiveMessage, and if something came one DeleteMessageBatch.
        """
        try:
            received = self._receive()
        except QueueNotFoundError:
            return self._after_not_found()
        except AwsError as error:
            return self._after_failure(error)
        except Exception as error:  # noqa: BLE001 - control ends with this thread, and nobody sees it
            return self._after_failure(error)
        self._failures = 0
        if 0 < received < SQS_BATCH_ENTRIES and self._rests():
            return REST_SECONDS
        # A poll of 0 s that brings nothing would be asked again at once.
        return 0.0 if self._wait_seconds or received else 1.0

    def _receive(self) -> int:
        at_once = self._failures or not self.has_polled
        wait_seconds = 0 if at_once else self._wait_seconds
        messages = self._service.receive(
            self._url,
            max_messages=SQS_BATCH_ENTRIES,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=INBOX_VISIBILITY_TIMEOUT_SECONDS,
        )
        if self.stopping:
            # They stay in a queue that is about to be removed.
            return 0
        self._note_gap()
        for message in messages:
            if message.message_id not in self._received:
                self._hand_on(message)
        self._delete(messages)
        return len(messages)

    def _note_gap(self) -> None:
        now, polled = self._clock.monotonic(), self._polled
        self._polled = now
        first, self.has_polled = not self.has_polled, True
        if first:
            self.wake()
        if first or now - polled > INBOX_RETENTION_SECONDS / 2:
            # The queue was too new, the process stopped, or AWS away: notices may be gone.
            self._on_changed(None)

    def _hand_on(self, message: ReceivedMessage) -> None:
        self._received[message.message_id] = None
        while len(self._received) > _REMEMBERED:
            self._received.popitem(last=False)
        try:
            parcel = unpack(message.body)
        except ValueError as error:
            logger.warning("inbox: message %s is dropped: %s", message.message_id, error)
            return
        if parcel.changed:
            self._on_changed(parcel.changed)
        for item in parcel.items:
            self._queues.deliver(item.tokens, item.message)

    def _delete(self, messages: Iterable[ReceivedMessage]) -> None:
        handles = [*self._undeleted, *(message.receipt_handle for message in messages)]
        self._undeleted = []
        for start in range(0, len(handles), SQS_BATCH_ENTRIES):
            batch = handles[start : start + SQS_BATCH_ENTRIES]
            try:
                failures = self._service.delete_batch(self._url, batch)
            except AwsError:
                # They come again, and are known then.
                logger.debug("inbox: deleting failed", exc_info=True)
            else:
                self._undeleted += [
                    each.receipt_handle for each in failures if each.sender_fault is False
                ]

    def _after_not_found(self) -> float | None:
        if self._clock.monotonic() < self._began + NEW_QUEUE_SECONDS:
            return 0.5
        if not self.stopping:
            self._on_lost()
        return None

    def _after_failure(self, error: Exception) -> float:
        self._failures += 1
        pause = _BACKOFF.wait_seconds(self._failures - 1, self._jitter)
        log_failure(
            logger,
            "remote control and events: receiving failed, and is tried again",
            error,
            failures=self._failures,
        )
        return pause
