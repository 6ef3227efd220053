"""Receives messages, for the consumers of a connection and for its synchronous gets.

What comes is leased before anything else is done with it. Of it, only what can be delivered is
handed on: what is worked on here already is not, what has expired is deleted, what cannot be read
now is given back for later, what comes long before its eta is sent on, and of what a migration sent
twice one copy is deleted. Who pays for a receive
with credits and who gets its messages is the caller's part.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from celery_aws.broker.acker import Acker
from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.broker.early_messages import EarlyMessages
from celery_aws.broker.give_backs import give_backs
from celery_aws.broker.large_messages import LargeMessages
from celery_aws.broker.leases import Leases, Taken
from celery_aws.broker.message import Receipt
from celery_aws.broker.migrated_messages import MigratedMessages
from celery_aws.broker.revoked_tasks import RevokedTasks
from celery_aws.broker.status import delivery_record
from celery_aws.clock import Clock
from celery_aws.config.broker import BrokerOptions
from celery_aws.core.message_life import has_expired
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.queue_names import is_fifo
from celery_aws.errors import QueueNotFoundError
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

#: Takes a message that was to be put off, and has to be delivered.
OnKept = Callable[[ReceivedMessage, Receipt], None]


@dataclass(frozen=True, kw_only=True)
class Received:
    """What one receive brought."""

    #: When SQS answered; aware, UTC.
    answered_at: datetime
    #: To be delivered, in their order.
    messages: list[tuple[ReceivedMessage, Receipt]] = field(default_factory=list)
    #: Messages that are worked on here already; they are not to be delivered.
    known: int = 0
    #: Messages that had expired; they are not to be delivered either.
    expired: int = 0
    #: Messages of which another copy was delivered; neither.
    duplicates: int = 0

    @property
    def passed_over(self) -> bool:
        """True if there may be more, although nothing is to be delivered."""
        return bool(self.known or self.expired or self.duplicates)


class Reception:
    """Receives from the queues of one connection; safe to share between threads.

    Args:
        directory: knows where the queues are.
        acker: for what is given back, or is finished and came again.
        leases: keep what came.
        large_messages: read what came through S3.
        early_messages: send on what came too early.
        revoked_tasks: know what was revoked while it was parked.
        migrated_messages: know what was migrated twice.
        clock: for the times of requests and answers.

    Attributes:
        options: the broker's.
        clock: for the times of requests and answers.
    """

    def __init__(
        self,
        *,
        directory: QueueDirectory,
        acker: Acker,
        leases: Leases,
        large_messages: LargeMessages,
        early_messages: EarlyMessages,
        revoked_tasks: RevokedTasks,
        migrated_messages: MigratedMessages,
        clock: Clock,
    ) -> None:
        self.options: BrokerOptions = directory.options
        self._directory = directory
        self._acker = acker
        self._leases = leases
        self._large_messages = large_messages
        self._early_messages = early_messages
        self._revoked_tasks = revoked_tasks
        self._migrated_messages = migrated_messages
        self.clock = clock
        self._record = delivery_record()

    def receive(
        self,
        queue: AmqpQueue,
        *,
        max_messages: int,
        wait_seconds: int,
        on_kept: OnKept | None = None,
    ) -> Received:
        """Receive once.

        Args:
            queue: Celery's name of the queue.
            max_messages: 1 to 10; of a FIFO queue, never more than one comes.
            wait_seconds: how long SQS may wait for a message, 0 to 20.
            on_kept: takes an early message that cannot be sent on, in another thread, later. None
                if early messages are to be returned like others.

        Raises:
            AwsError: nothing was received. A queue that is gone is looked for again next time.

        Costs one ReceiveMessage, one GetObject for each message that came through S3, and what
        :meth:`RevokedTasks.look_up` and :meth:`MigratedMessages.claim` cost.
        """
        try:
            address = self._directory.address(queue)
            asked_at = self.clock.monotonic()
            messages = self._ask(address, max_messages, wait_seconds)
        except QueueNotFoundError:
            self._directory.forget(queue)
            raise
        answered_at, now = self.clock.monotonic(), self.clock.now()
        self._record.count_poll(len(messages))
        if not messages:
            return Received(answered_at=now)
        receipts = [Receipt.of(message, queue=queue, address=address) for message in messages]
        taken = self._leases.hold(receipts, asked_at=asked_at, answered_at=answered_at)
        self._pass_over(queue, taken)
        new = {receipt.handle for receipt in taken.new}
        loaded = self._loaded(queue, address, [m for m in messages if m.receipt_handle in new])
        living = self._unexpired(loaded)
        expired = len(loaded) - len(living)
        if on_kept is not None:
            living = self._put_off(living, on_kept)
        ready, duplicates = self._claimed(self._looked_up(living))
        return Received(
            answered_at=now,
            messages=ready,
            known=len(taken.known),
            expired=expired,
            duplicates=duplicates,
        )

    def valid(self, receipt: Receipt) -> bool:
        """Tell whether a received message is still ours, as far as can be known."""
        return self._leases.valid(receipt)

    def give_back(self, receipts: Sequence[Receipt]) -> None:
        """Let the queue hand out again what was received and delivered to nobody; soon."""
        for receipt in receipts:
            give_backs().note(receipt.message_id)
            self._acker.give_back(receipt)

    def discard(self, receipt: Receipt) -> None:
        """Forget a message that somebody else may have by now: it would run twice."""
        logger.warning(
            "queue %s: a message was not delivered, because its lease had ended", receipt.queue
        )
        self._record.count("discarded")
        self._leases.drop(receipt)

    def _ask(
        self, address: QueueAddress, max_messages: int, wait_seconds: int
    ) -> list[ReceivedMessage]:
        return address.service.receive(
            address.url,
            # Of a group, SQS hands out nothing while one of its messages is in flight, but
            # several at once; two in one worker would hold each other up.
            max_messages=1 if is_fifo(address.url) else max_messages,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=self.options.visibility_timeout,
        )

    def _pass_over(self, queue: AmqpQueue, taken: Taken) -> None:
        for receipt in taken.finished:
            self._acker.delete(receipt)
        if taken.known:
            logger.warning(
                "queue %s: received %s message(s) again that are worked on here; they are not "
                "delivered a second time",
                queue,
                len(taken.known),
            )
            self._record.count("known", len(taken.known))

    def _loaded(
        self, queue: AmqpQueue, address: QueueAddress, messages: Sequence[ReceivedMessage]
    ) -> list[tuple[ReceivedMessage, Receipt]]:
        loaded = self._large_messages.load(address, messages)
        for message, seconds in loaded.postponed:
            receipt = Receipt.of(message, queue=queue, address=address)
            self._acker.give_back(receipt, visible_in_seconds=seconds)
        return [
            (message, Receipt.of(message, queue=queue, address=address)) for message in loaded.ready
        ]

    def _unexpired(
        self, messages: Sequence[tuple[ReceivedMessage, Receipt]]
    ) -> list[tuple[ReceivedMessage, Receipt]]:
        now, rest = self.clock.now(), []
        for message, receipt in messages:
            if has_expired(message, now):
                self._acker.delete(receipt)
                self._record.count("expired")
            else:
                rest.append((message, receipt))
        return rest

    def _put_off(
        self, messages: Sequence[tuple[ReceivedMessage, Receipt]], on_kept: OnKept
    ) -> list[tuple[ReceivedMessage, Receipt]]:
        """Send on what is early, soon, and return the rest."""
        rest = []
        for message, receipt in messages:
            early = self._early_messages.admit(message, receipt)
            if early is None:
                rest.append((message, receipt))
            else:
                send_on = partial(self._early_messages.send_on, early=early)
                kept = partial(self._keep, on_kept, message)
                self._acker.move(receipt, send_on, on_kept=kept)
        return rest

    def _keep(self, on_kept: OnKept, message: ReceivedMessage, receipt: Receipt) -> None:
        ready, _ = self._claimed(self._looked_up([(message, receipt)]))
        for each in ready:
            on_kept(*each)

    def _looked_up(
        self, messages: Sequence[tuple[ReceivedMessage, Receipt]]
    ) -> list[tuple[ReceivedMessage, Receipt]]:
        receipts = {receipt.handle: receipt for _, receipt in messages}
        found = self._revoked_tasks.look_up([message for message, _ in messages])
        for message, seconds in found.postponed:
            self._acker.give_back(receipts[message.receipt_handle], visible_in_seconds=seconds)
        return [(message, receipts[message.receipt_handle]) for message in found.ready]

    def _claimed(
        self, messages: Sequence[tuple[ReceivedMessage, Receipt]]
    ) -> tuple[list[tuple[ReceivedMessage, Receipt]], int]:
        """Return what is to be delivered, and how many were not, because another copy was."""
        receipts = {receipt.handle: receipt for _, receipt in messages}
        claimed = self._migrated_messages.claim([message for message, _ in messages])
        for message, seconds in claimed.postponed:
            self._acker.give_back(receipts[message.receipt_handle], visible_in_seconds=seconds)
        for message in claimed.duplicates:
            self._acker.delete(receipts[message.receipt_handle])
        self._record.count("duplicates", len(claimed.duplicates))
        ready = [(message, receipts[message.receipt_handle]) for message in claimed.ready]
        return ready, len(claimed.duplicates)
