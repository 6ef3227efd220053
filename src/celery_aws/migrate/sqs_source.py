"""SQS as the broker that is left, on the way back: its queues, and the schedule.

A message that is received is hidden from workers until it is deleted, or its visibility timeout is
over: who is killed has to recover nothing. What was sent on the way there, and may have been sent
twice, has a mark, and its key is what that says: so both copies are one message for the journal and
for the target. Tasks that are parked: :mod:`celery_aws.migrate.parked_source`.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from celery_aws.broker import Transport
from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.message import Receipt
from celery_aws.core.batching import batches
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.migration_marks import migration_mark
from celery_aws.deployment import declare_priorities
from celery_aws.errors import BrokerLostError, TemporaryError
from celery_aws.migrate.messages import Message, Unreadable
from celery_aws.migrate.parked_source import ParkedClaim, ParkedSource
from celery_aws.migrate.revoked_claims import told_revoked
from celery_aws.migrate.second_copies import SecondCopies
from celery_aws.migrate.sides import Claim
from celery_aws.migrate.sqs_messages import carried
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

#: Seconds for which workers do not see what was claimed: a batch is tried for one minute.
HIDDEN_SECONDS = 300

#: Seconds for which a queue is asked that seemed to be empty: a receive that does not wait asks
#: some of SQS's servers only.
WAIT_SECONDS: int = 1


class SqsSource:
    """The queues of one app; for one thread.

    Args:
        app: the app whose broker is SQS.
        queues: its names of queues to the names that they have on the other side.
        run: name of this run and thread, unique.
        take_held: accepted, and nothing: what workers hold comes back by itself when they end.
    """

    def __init__(
        self,
        app: Any,
        *,
        queues: Mapping[AmqpQueue, AmqpQueue],
        run: str,
        take_held: bool = False,  # noqa: ARG002 - see above
    ) -> None:
        self._queues = dict(queues)
        self._connection = app.connection_for_write()
        transport: Transport = self._connection.transport
        self._transport = transport
        self._directory = transport.directory
        self._large_messages = transport.large_messages
        declare_priorities(app, self._directory)
        self._second_copies = SecondCopies(transport)
        self._parked = ParkedSource(transport, queues=queues, run=run)

    def recover(self, most: int) -> Sequence[Claim]:
        """Return parked tasks that another run had claimed; what it had received comes by itself.

        Raises:
            BrokerLostError: AWS did not answer.

        Costs one Query of the coordination table, one GetItem for each of them, and one
        BatchGetItem.
        """
        with _asking():
            return self._told(self._parked.recover(most))

    def claim(self, most: int) -> Sequence[Claim]:
        """Take up to ``most`` messages of one queue, or else parked tasks; higher priorities first.

        Raises:
            BrokerLostError: AWS did not answer.

        Costs one ReceiveMessage for each queue, and once more with a second's wait if all seem to
        be empty; one PutItem for each message that was migrated, and a BatchGetItem; for parked
        tasks see :meth:`ParkedSource.claim`.
        """
        with _asking():
            found = (
                self._received(most, wait_seconds=0)
                or self._parked.claim(most)
                or self._received(most, wait_seconds=WAIT_SECONDS)
            )
            return self._told(found)

    def commit(self, claims: Sequence[Claim]) -> None:
        """Delete messages, and what of them is in S3; again, too.

        What comes again although it was deleted is known to the journal.

        Raises:
            BrokerLostError: AWS did not answer, or not for all of them.

        Costs one DeleteMessageBatch for ten messages of one queue.
        """
        with _asking():
            self._parked.commit([each.handle for each in claims if _is_parked(each)])
            self._delete([each.handle for each in claims if not _is_parked(each)])

    def sending(self, claims: Sequence[Claim]) -> None:
        """Nothing: no worker sees them before their time is over."""

    def leave(self, claims: Sequence[Claim]) -> bool:
        """Hand parked tasks out again; the others come by themselves in five minutes."""
        self._parked.not_handed_out([each.handle for each in claims if _is_parked(each)])
        return True

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Let workers have messages again at once.

        Raises:
            BrokerLostError: AWS did not answer; they are seen again by themselves in five minutes.

        Costs one ChangeMessageVisibilityBatch for ten messages of one queue.
        """
        with _asking():
            self._parked.give_back([each.handle for each in claims if _is_parked(each)])
            received: list[Receipt] = [each.handle for each in claims if not _is_parked(each)]
            for address, of_queue in batches((each.address, each) for each in received):
                timeouts = [(each.handle, 0) for each in of_queue]
                address.service.change_visibility_batch(address.url, timeouts)

    def close(self) -> None:
        """Close the connection; what is claimed and not settled is seen again in five minutes."""
        self._connection.release()

    def _told(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        try:
            return told_revoked(self._transport, claims)
        except BaseException:
            # What was received is seen again by itself.
            self._parked.not_handed_out([each.handle for each in claims if _is_parked(each)])
            raise

    def _received(self, most: int, *, wait_seconds: int) -> list[Claim]:
        for queue, new in self._queues.items():
            for step in self._directory.priority_queues(queue):
                address = self._directory.existing(step)
                if address is None:
                    continue
                claims = self._from(address, step, new, most, wait_seconds=wait_seconds)
                if claims:
                    return claims
        return []

    def _from(
        self, address: QueueAddress, step: AmqpQueue, new: AmqpQueue, most: int, wait_seconds: int
    ) -> list[Claim]:
        """Receive until there is something to move, or nothing comes."""
        while True:
            found = address.service.receive(
                address.url,
                max_messages=most,
                wait_seconds=wait_seconds,
                visibility_timeout_seconds=HIDDEN_SECONDS,
            )
            claims = self._claims(address, step, new, found)
            if claims or not found:
                return claims

    def _claims(
        self,
        address: QueueAddress,
        step: AmqpQueue,
        new: AmqpQueue,
        messages: Sequence[ReceivedMessage],
    ) -> list[Claim]:
        loaded = self._large_messages.load(address, messages)
        if loaded.postponed:
            # Their bodies cannot be read now. They count as receives, so not at once.
            timeouts = [(each.receipt_handle, seconds) for each, seconds in loaded.postponed]
            address.service.change_visibility_batch(address.url, timeouts)
        second = [each for each in loaded.ready if self._is_second(each)]
        self._delete([Receipt.of(each, queue=step, address=address) for each in second])
        first = [each for each in loaded.ready if each not in second]
        return [self._claim(address, step, new, each) for each in first]

    def _is_second(self, message: ReceivedMessage) -> bool:
        return self._second_copies.has(message.message_attributes, message.message_id)

    def _claim(
        self, address: QueueAddress, step: AmqpQueue, new: AmqpQueue, message: ReceivedMessage
    ) -> Claim:
        mark = migration_mark(message.message_attributes)
        return Claim(
            message=self._message(step, new, message),
            handle=Receipt.of(message, queue=step, address=address),
            seen_before=mark is not None or message.receive_count > 1,
        )

    def _message(self, step: AmqpQueue, new: AmqpQueue, message: ReceivedMessage) -> Message:
        mark = migration_mark(message.message_attributes)
        key = message.message_id if mark is None else mark.task_key
        if message.error is not None:
            reason = f"its body is not in S3: {message.error}"
            return Unreadable(key=key, queue=new, raw=message.body.encode(), reason=reason)
        return carried(
            message.envelope,
            key=key,
            queue=new,
            step=step,
            highest_number=self._directory.priorities(self._directory.base(step)).highest,
        )

    def _delete(self, receipts: Sequence[Receipt]) -> None:
        for address, of_queue in batches((each.address, each) for each in receipts):
            handles = [each.handle for each in of_queue]
            failures = {
                each.receipt_handle: each.error
                for each in address.service.delete_batch(address.url, handles)
            }
            self._large_messages.remove([each for each in of_queue if each.handle not in failures])
            for error in failures.values():
                if isinstance(error, TemporaryError):
                    raise error
                logger.info("a message may come again, and is known then: %s", error)


def _is_parked(claim: Claim) -> bool:
    return isinstance(claim.handle, ParkedClaim)


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except TemporaryError as error:
        raise BrokerLostError(str(error)) from error
