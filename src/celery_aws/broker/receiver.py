"""The thread that receives from one queue, for one consumer.

It asks its channel for credits, long-polls with just as many, and puts what comes into the
delivery buffer; from then on the messages' leases are kept. It never calls Celery. A failed poll
is logged and tried again for as long as the consumer lives: a worker must not stop consuming
because AWS, the network or a permission was away for an hour. Only a bug ends it, and that is
handed to the delivering thread, which raises it as a connection error so that Celery starts
afresh.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from celery_aws.background import BackgroundThread
from celery_aws.broker.delivery import Delivery, DeliveryBuffer
from celery_aws.broker.message import Receipt
from celery_aws.broker.poll_record import PollRecord
from celery_aws.broker.qos import PollTicket
from celery_aws.broker.reception import Reception
from celery_aws.broker.second_poll import SecondPoll
from celery_aws.broker.status import delivery_record
from celery_aws.config.broker import BrokerOptions
from celery_aws.core.backoff import Backoff, Random, is_worth_logging
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.polling import BUSY_WAIT_SECONDS, Poll, idle_rest_seconds
from celery_aws.core.queue_names import is_fifo
from celery_aws.errors import AwsError, ReceiverFailedError
from celery_aws.limits import SQS_BATCH_ENTRIES
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

#: Short, because the first poll that succeeds ends an outage: a failed one is not billed.
_BACKOFF = Backoff(base_seconds=0.2, cap_seconds=1.5)


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

    def can_double(self) -> bool:
        """Tell whether there is room for a second receive."""

    def reserve_double(self) -> bool:
        """Reserve the credits of one; False if they are not free."""

    def overdraw(self, messages: int) -> None:
        """Reserve credits that may not be free."""

    def release(self, messages: int) -> None:
        """Give credits back."""


#: Seconds within which a long poll is answered for which there are messages.
ANSWER_SECONDS = 0.25


#: Seconds within which a second poll has ended that was under way; then nobody waits for it.
SECOND_POLL_SECONDS = BUSY_WAIT_SECONDS + 10.0


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

    def can_double(self) -> bool:
        """One at a time: nothing bounds what waits for the consumer."""
        return False

    def reserve_double(self) -> bool:
        """See :meth:`can_double`."""
        return False

    def overdraw(self, messages: int) -> None:
        """Any number is free."""

    def release(self, messages: int) -> None:
        """Nothing was reserved."""


class Receiver(BackgroundThread):
    """Receives from one queue until stopped.

    Attributes:
        queue: Celery's name of the queue.
        last_poll: when SQS last answered a poll, or None; readable from any thread.
        record: what it does, for whoever watches; readable from any thread.
        draining: receive nothing any more, although the consumer is not cancelled yet.

    Args:
        queue: Celery's name of the queue.
        reception: receives, for all receivers of the connection.
        credit_source: shared with the other receivers of the channel.
        buffer: where to put what comes.
        deliver: hands one message to Celery; called by :meth:`deliver`.
        puts_off: let others wait for the etas of tasks that are far off.
        higher: receivers of the same consumer's queues of higher priority, highest first. Nothing
            is taken from this queue before these are found empty.
        jitter: random numbers for the pauses after failures.
    """

    def __init__(
        self,
        *,
        queue: AmqpQueue,
        reception: Reception,
        credit_source: CreditSource,
        buffer: DeliveryBuffer,
        deliver: Callable[[Delivery], None],
        puts_off: bool = True,
        higher: Sequence["Receiver"] = (),
        jitter: Random = random.random,
    ) -> None:
        super().__init__(f"celery-aws-receiver-{queue}")
        self.queue = queue
        self.last_poll: datetime | None = None
        self.record = PollRecord(
            queue, reception.clock, pause_seconds=_longest_pause_seconds(reception.options)
        )
        self.draining = False
        self._polling = False
        self._polls_since = 0.0
        self._answered = threading.Event()
        self._puts_off = puts_off
        self._higher = higher
        self._deliver = deliver
        self._reception = reception
        self._credits = credit_source
        self._buffer = buffer
        self._jitter = jitter
        self._ticket = PollTicket(most=1 if is_fifo(queue) else SQS_BATCH_ENTRIES)
        self._quiet_since = reception.clock.monotonic()
        self._failures = 0
        self._stop_rest = threading.Event()
        self._second = SecondPoll(
            queue, reserve=credit_source.reserve_double, receive=self._receive_beside
        )
        # Before the thread starts: the first of several receivers must know that it is not
        # alone, or its first long poll takes the credits of all.
        self._credits.join()
        delivery_record().add_receiver(self)

    def stop(self, timeout_seconds: float) -> bool:
        """Stop polling, and share the credits no longer."""
        if not self.forked and not self.stopping:
            self._credits.leave()
        return super().stop(timeout_seconds)

    def run(self) -> None:
        """Poll until stopped."""
        options = self._reception.options
        try:
            while not self.stopping:
                self.record.doing = "waiting"
                poll = self._credits.reserve(
                    self._ticket,
                    wait_time_seconds=options.wait_time_seconds,
                    rest_seconds=options.polling_interval,
                )
                if poll is None:
                    return
                if self._ending:
                    self._credits.release(poll.max_messages)
                    self._stop_rest.wait()
                else:
                    self._poll_once(poll)
        except Exception as error:
            self.record.doing = "ended"
            logger.critical("receiver of queue %s failed", self.queue, exc_info=True)
            self._buffer.put_failure(ReceiverFailedError(self.queue, error))
        finally:
            self._second.stop(timeout_seconds=SECOND_POLL_SECONDS)

    @property
    def polling(self) -> bool:
        """True while a poll is under way that SQS may hand a message to."""
        return self._polling or self._second.polling

    @property
    def _ending(self) -> bool:
        return self.stopping or self.draining

    def wake(self) -> None:
        """End every wait but the long poll itself, which cannot be called back."""
        self._credits.withdraw(self._ticket)
        self._stop_rest.set()
        self._second.stop(timeout_seconds=0)

    def deliver(self, delivery: Delivery) -> None:
        """Hand one message to Celery, or give it back if the consumer is gone.

        Called by the delivering thread.
        """
        if self._ending:
            self.give_back([delivery])
        elif self._reception.valid(delivery.receipt):
            self._deliver(delivery)
        else:
            self._reception.discard(delivery.receipt)
            self._credits.release(1)

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Let the queue hand out again what was received and not delivered."""
        self._reception.give_back([delivery.receipt for delivery in deliveries])
        self._credits.release(len(deliveries))

    def take_back(self, message: ReceivedMessage, receipt: Receipt) -> None:
        """Deliver a message that was to be put off, and cannot be; from any thread.

        Its credit may be another's by now. Celery does the same: each task that it holds for its
        eta raises the prefetch count by one.
        """
        self._credits.overdraw(1)
        self._put([Delivery(receiver=self, message=message, receipt=receipt)])

    def _poll_once(self, poll: Poll) -> None:
        deliveries: list[Delivery] = []
        rest_seconds = 0.0
        self.record.doing = "polling"
        try:
            deliveries = self._receive(poll)
            self._after_success()
        except AwsError as error:
            rest_seconds = self._after_failure(error)
        finally:
            self._credits.release(poll.max_messages - len(deliveries))
        self._note_found(bool(deliveries))
        if self._ending:
            # Cancelled during the poll: nobody here wants them.
            self.give_back(deliveries)
        elif deliveries:
            self._put(deliveries)
            self._call_second(len(deliveries))
        else:
            self.record.doing = "resting"
            self._stop_rest.wait(rest_seconds or poll.rest_seconds)

    def _call_second(self, found: int) -> None:
        # Not where others come first: they would have to be asked before each receive.
        if found >= self._ticket.most > 1 and not self._higher and self._credits.can_double():
            self._second.call()

    def _receive_beside(self) -> int:
        """Receive once, in the thread of the second poll, with credits that it has reserved."""
        deliveries: list[Delivery] = []
        try:
            if not self._ending:
                deliveries = self.ask(SQS_BATCH_ENTRIES, wait_seconds=BUSY_WAIT_SECONDS)
        except AwsError as error:
            # The receiver meets the same, tells it and tries again.
            logger.debug("queue %s: a second receive failed: %s", self.queue, error)
        finally:
            self._credits.release(SQS_BATCH_ENTRIES - len(deliveries))
        if self._ending:
            self.give_back(deliveries)
        elif deliveries:
            self._put(deliveries)
        return len(deliveries)

    def _note_found(self, found: bool) -> None:
        now = self._reception.clock.monotonic()
        if found:
            self._quiet_since = now
        self._ticket.busy = found
        self._ticket.idle_rest_seconds = idle_rest_seconds(
            now - self._quiet_since, self._reception.options.idle_backoff_seconds
        )

    def _put(self, deliveries: Sequence[Delivery]) -> None:
        self._buffer.put(deliveries)
        if self._ending:
            # Cancelled meanwhile; whoever did it may have looked into the buffer before.
            for receiver in (self, *self._higher):
                self.give_back(self._buffer.discard(receiver))

    def _receive(self, poll: Poll) -> list[Delivery]:
        for receiver in self._higher:
            if not self._ticket.busy and receiver.polls_in_vain():
                continue  # It hears by itself of what comes, and so does this one.
            found = receiver.ask(poll.max_messages, wait_seconds=0)
            if found:
                # As long as there are some, its own queue has to wait, and nothing is wrong.
                self.record.answered()
                return found
        # After a failure, only what is answered at once: a connection that is dead must not hold it
        # up for a long poll.
        wait_seconds = 0 if self._failures else poll.wait_seconds
        self._begin_poll(wait_seconds)
        try:
            return self.ask(poll.max_messages, wait_seconds=wait_seconds)
        finally:
            self._polling = False
            self._answered.set()

    def _begin_poll(self, wait_seconds: int) -> None:
        self._polls_since = self._reception.clock.monotonic()
        if wait_seconds > 0:
            self._answered.clear()
            self._polling = True

    def polls_in_vain(self) -> bool:
        """Tell whether a long poll is under way that found nothing; from any receiver's thread.

        SQS answers one at once if there is something: so a young one is waited for.
        """
        if not self._polling:
            return False
        age_seconds = self._reception.clock.monotonic() - self._polls_since
        left_seconds = ANSWER_SECONDS - age_seconds
        return left_seconds <= 0 or not self._answered.wait(left_seconds)

    def ask(self, max_messages: int, *, wait_seconds: int) -> list[Delivery]:
        """Receive once, with credits that the caller has reserved; from any receiver's thread."""
        received = self._reception.receive(
            self.queue,
            max_messages=max_messages,
            wait_seconds=wait_seconds,
            on_kept=self.take_back if self._puts_off else None,
        )
        self.last_poll = received.answered_at
        self.record.answered()
        return [
            Delivery(receiver=self, message=message, receipt=receipt)
            for message, receipt in received.messages
        ]

    def _after_success(self) -> None:
        if self._failures:
            self.record.succeeded()
            logger.info("queue %s: receiving again", self.queue)
            self._failures = 0

    def _after_failure(self, error: AwsError) -> float:
        self._failures += 1
        self.record.failed(error)
        pause = _BACKOFF.wait_seconds(self._failures - 1, self._jitter)
        if is_worth_logging(self._failures):
            logger.warning(
                "queue %s: receiving failed (%s in a row), trying again in %.1f s: %s",
                self.queue,
                self._failures,
                pause,
                error,
            )
        return pause


def _longest_pause_seconds(options: BrokerOptions) -> float:
    """Return how long a receiver with a credit may go without an answer, if nothing is wrong."""
    rest_seconds = max(options.polling_interval, options.idle_backoff_seconds)
    # Short polls rest for a second, whatever was asked for.
    return float(options.wait_time_seconds + max(rest_seconds, 1.0))
