"""The thread that receives from one queue, for one consumer.

It asks its channel for credits, long-polls with just as many, and puts what comes into the
delivery buffer. It never calls Celery. A failed poll is logged and tried again with growing
pauses for as long as the consumer lives: a worker must not stop consuming because AWS, the
network or a permission was away for an hour. Only a bug ends it, and that is handed to the
delivering thread, which raises it as a connection error so that Celery starts afresh.
"""

import logging
import random
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from celery_aws.background import BackgroundThread
from celery_aws.broker.acker import Acker
from celery_aws.broker.delivery import Delivery, DeliveryBuffer
from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.broker.large_messages import LargeMessages
from celery_aws.broker.message import Receipt
from celery_aws.broker.qos import PollTicket
from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff, Random
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.polling import Poll
from celery_aws.errors import AwsError, QueueNotFoundError, ReceiverFailedError
from celery_aws.limits import SQS_BATCH_ENTRIES
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

_BACKOFF = Backoff(base_seconds=0.5, cap_seconds=20.0)


class CreditSource(Protocol):
    """Where a receiver gets the right to ask for messages."""

    def join(self) -> None:
        """Share the credits from now on."""

    def leave(self) -> None:
        """Share them no longer."""

    def withdraw(self, ticket: PollTicket) -> None:
        """End every wait of this ticket."""

    def reserve(
        self, ticket: PollTicket, *, wait_time_seconds: int, rest_seconds: float
    ) -> Poll | None:
        """Wait for credits; None once withdrawn."""

    def release(self, messages: int) -> None:
        """Give credits back."""


class UnlimitedCredits:
    """Credits of a consumer that acknowledges on receipt: it holds nothing."""

    def join(self) -> None:
        """Nothing is shared."""

    def leave(self) -> None:
        """Nothing is shared."""

    def withdraw(self, ticket: PollTicket) -> None:
        """Refuse further polls."""
        ticket.withdrawn = True

    def reserve(
        self, ticket: PollTicket, *, wait_time_seconds: int, rest_seconds: float
    ) -> Poll | None:
        """Grant a full poll at once."""
        if ticket.withdrawn:
            return None
        return Poll(
            max_messages=SQS_BATCH_ENTRIES,
            wait_seconds=wait_time_seconds,
            rest_seconds=rest_seconds,
        )

    def release(self, messages: int) -> None:
        """Nothing was reserved."""


class Receiver(BackgroundThread):
    """Receives from one queue until stopped.

    Attributes:
        queue: Celery's name of the queue.
        last_poll: when SQS last answered a poll, or None; readable from any thread.
    """

    def __init__(
        self,
        *,
        queue: AmqpQueue,
        directory: QueueDirectory,
        credit_source: CreditSource,
        buffer: DeliveryBuffer,
        acker: Acker,
        large_messages: LargeMessages,
        deliver: Callable[["Receiver", ReceivedMessage], None],
        clock: Clock,
        jitter: Random = random.random,
    ) -> None:
        super().__init__(f"celery-aws-receiver-{queue}")
        self.queue = queue
        self.last_poll: datetime | None = None
        self._deliver = deliver
        self._directory = directory
        self._credits = credit_source
        self._buffer = buffer
        self._acker = acker
        self._large_messages = large_messages
        self._clock = clock
        self._jitter = jitter
        self._ticket = PollTicket()
        self._address: QueueAddress | None = None
        self._failures = 0
        self._stop_rest = threading.Event()
        # Before the thread starts: the first of several receivers must know that it is not
        # alone, or its first long poll takes the credits of all.
        self._credits.join()

    def stop(self, timeout_seconds: float) -> bool:
        """Stop polling, and share the credits no longer."""
        if not self.forked and not self.stopping:
            self._credits.leave()
        return super().stop(timeout_seconds)

    def run(self) -> None:
        """Poll until stopped."""
        try:
            while not self.stopping:
                poll = self._credits.reserve(
                    self._ticket,
                    wait_time_seconds=self._directory.options.wait_time_seconds,
                    rest_seconds=self._directory.options.polling_interval,
                )
                if poll is None:
                    return
                self._poll_once(poll)
        except Exception as error:
            logger.critical("receiver of queue %s failed", self.queue, exc_info=True)
            self._buffer.put_failure(ReceiverFailedError(self.queue, error))

    def wake(self) -> None:
        """End every wait but the long poll itself, which cannot be called back."""
        self._credits.withdraw(self._ticket)
        self._stop_rest.set()

    def deliver(self, message: ReceivedMessage) -> None:
        """Hand one message to Celery, or give it back if the consumer is gone.

        Called by the delivering thread.
        """
        if self.stopping:
            self.give_back([message])
        else:
            self._deliver(self, message)

    def give_back(self, messages: list[ReceivedMessage]) -> None:
        """Let the queue hand out again what was received and not delivered."""
        for message in messages:
            self._acker.give_back(self.receipt(message))
        self._credits.release(len(messages))

    def receipt(self, message: ReceivedMessage) -> Receipt:
        """Return what settles a message of this receiver."""
        if self._address is None:
            raise RuntimeError(f"queue {self.queue}: nothing was received yet")
        return Receipt.of(message, queue=self.queue, address=self._address)

    def _poll_once(self, poll: Poll) -> None:
        messages: list[ReceivedMessage] = []
        rest_seconds = 0.0
        try:
            messages = self._receive(poll)
        except AwsError as error:
            rest_seconds = self._after_failure(error)
        finally:
            self._credits.release(poll.max_messages - len(messages))
        self._ticket.busy = bool(messages)
        if self.stopping:
            # Cancelled during the poll: nobody here wants them.
            self.give_back(messages)
        elif messages:
            self._buffer.put(Delivery(receiver=self, message=each) for each in messages)
            if self.stopping:
                # Cancelled meanwhile; whoever did it may have looked into the buffer before.
                self.give_back([each.message for each in self._buffer.discard(self)])
        else:
            self._stop_rest.wait(rest_seconds or poll.rest_seconds)

    def _receive(self, poll: Poll) -> list[ReceivedMessage]:
        self._address = self._directory.address(self.queue)
        messages = self._address.service.receive(
            self._address.url,
            max_messages=poll.max_messages,
            wait_seconds=poll.wait_seconds,
            visibility_timeout_seconds=self._directory.options.visibility_timeout,
        )
        self.last_poll = self._clock.now()
        if self._failures:
            logger.info("queue %s: receiving again", self.queue)
            self._failures = 0
        loaded = self._large_messages.load(self._address, messages)
        for message, seconds in loaded.postponed:
            self._acker.give_back(self.receipt(message), visible_in_seconds=seconds)
        return loaded.ready

    def _after_failure(self, error: AwsError) -> float:
        self._failures += 1
        if isinstance(error, QueueNotFoundError):
            self._directory.forget(self.queue)
        pause = _BACKOFF.wait_seconds(self._failures - 1, self._jitter)
        logger.warning(
            "queue %s: receiving failed (%s in a row), trying again in %.1f s: %s",
            self.queue,
            self._failures,
            pause,
            error,
        )
        return pause
