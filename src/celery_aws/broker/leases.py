"""Keeps the messages of one connection hidden from other workers, in a thread of its own.

Every message that was received is here until it is deleted, given back or left: in the delivery
buffer, held by Celery for an eta or a rate limit, waiting in the pool, running, or waiting for its
deletion. The thread asks for nothing but time, ten messages to a request, and depends on no event
loop: it goes on while a solo pool works, during a warm shutdown and in a soft shutdown's sleep.
When to ask is decided by :mod:`celery_aws.core.leases`.

A lease that cannot be kept is *lost*: SQS hands the message to somebody else. What was not
delivered yet is then dropped; what runs goes on, and the loss is logged and counted. If it comes
back to where it is still worked on, it is not delivered again: its new receipt is taken up instead.
"""

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from celery_aws.background import BackgroundThread
from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.message import Receipt
from celery_aws.broker.status import DeliveryRecord, delivery_record
from celery_aws.clock import Clock
from celery_aws.core.backoff import Random
from celery_aws.core.batching import batches
from celery_aws.core.leases import Lease, due_leases, lease_of_receive
from celery_aws.errors import AccessDeniedError, AwsError, NotFoundError
from celery_aws.names import QueueUrl, ReceiptHandle

logger = logging.getLogger(__name__)

_LIMIT_REACHED = "12 hours after the receive SQS ends every lease"


@dataclass(eq=False)
class _Held:
    """One message."""

    receipt: Receipt
    lease: Lease
    #: Name and id of its task, once it was delivered.
    task: str = "not delivered yet"
    #: A request for more time is under way.
    asking: bool = False
    #: It waits for its deletion: that its lease ends is no loss.
    settling: bool = False
    #: Not to be deleted before it is disposed of.
    disposing: bool = False
    #: To do once the request under way is over; then the lease is nobody's.
    released: Callable[[], None] | None = None
    #: It was told that the limit of 12 hours is near.
    warned: bool = False


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a connection makes of the messages of one receive."""

    #: To be delivered.
    new: list[Receipt] = field(default_factory=list)
    #: Worked on here already; their receipts were taken up.
    known: list[Receipt] = field(default_factory=list)
    #: Of these, what is finished and waits for its deletion.
    finished: list[Receipt] = field(default_factory=list)


@dataclass
class _Answer:
    """What became of the extensions of one request."""

    extended: list[_Held] = field(default_factory=list)
    failed: list[_Held] = field(default_factory=list)
    #: With the reason.
    lost: list[tuple[_Held, str]] = field(default_factory=list)


class Leases(BackgroundThread):
    """The leases of one connection; thread-safe.

    The thread starts with the first message, and :meth:`retire` lets it end with the last one.
    """

    def __init__(
        self,
        *,
        timeout_seconds: int,
        clock: Clock,
        record: DeliveryRecord | None = None,
        jitter: Random = random.random,
    ) -> None:
        super().__init__("celery-aws-leases")
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._record = record if record is not None else delivery_record()
        self._jitter = jitter
        self._held: dict[ReceiptHandle, _Held] = {}
        self._lost: dict[ReceiptHandle, _Held] = {}
        #: By message id: what settles the message now.
        self._current: dict[str, Receipt] = {}
        #: When the thread looks next; it is woken only for something earlier.
        self._looks_at = inf
        self._when_empty: Callable[[], None] | None = None
        self._denied: set[QueueUrl] = set()
        self._changed = threading.Condition()
        self._record.add_leases(self)

    @property
    def held(self) -> int:
        """How many messages are held."""
        return len(self._held)

    def hold(self, receipts: Sequence[Receipt], *, asked_at: float, answered_at: float) -> Taken:
        """Take over messages that a receive brought.

        Args:
            receipts: of the messages.
            asked_at: when the receive was sent, by the clock's ``monotonic``.
            answered_at: when its answer was there.
        """
        taken = Taken()
        lease = lease_of_receive(self._timeout_seconds, asked_at=asked_at, answered_at=answered_at)
        with self._changed:
            for receipt in receipts:
                self._take(_Held(receipt, lease), taken)
            if lease.attention_at(warned=False) < self._looks_at:
                self._changed.notify_all()
        self.start()
        return taken

    def current(self, receipt: Receipt) -> Receipt:
        """Return what settles the message now: it may have been received again since."""
        current = self._current.get(receipt.message_id, receipt)
        if current.handle == receipt.handle:
            return receipt
        return replace(current, pointer=receipt.pointer)

    def describe(self, receipt: Receipt, task: str) -> None:
        """Note what the message is for, for the log."""
        with self._changed:
            held = self._held.get(self.current(receipt).handle)
            if held is not None:
                held.task = task

    def valid(self, receipt: Receipt) -> bool:
        """Tell whether the message is still ours, as far as can be known."""
        with self._changed:
            held = self._held.get(self.current(receipt).handle)
            return held is not None and not held.lease.over(self._clock.monotonic())

    def settling(self, receipt: Receipt, *, disposing: bool = False) -> bool:
        """Note that the message is to be deleted; its lease goes on until :meth:`end`.

        Args:
            receipt: of the message.
            disposing: it is to be disposed of before.

        Returns:
            False if its lease was lost.
        """
        with self._changed:
            handle = self.current(receipt).handle
            held = self._held.get(handle) or self._lost.get(handle)
            if held is not None:
                held.settling, held.disposing = True, disposing
            return handle not in self._lost

    def keep(self, receipt: Receipt) -> None:
        """Undo :meth:`settling`: the message is worked on here after all."""
        with self._changed:
            held = self._held.get(self.current(receipt).handle)
            if held is not None:
                held.settling = held.disposing = False

    def release(self, receipt: Receipt, then: Callable[[], None]) -> None:
        """Stop extending, then do something: at once, or when a request under way is over.

        So no extension can hide a message again that was given back. Nothing is done if the lease
        was lost: the message is visible, or somebody else's.
        """
        with self._changed:
            handle = self.current(receipt).handle
            lost, held = handle in self._lost, self._held.get(handle)
            if held is not None and held.asking:
                held.released = then
                return
        self.drop(receipt)
        if not lost:
            then()

    def drop(self, receipt: Receipt) -> None:
        """Forget a message: it is settled, or left to its visibility timeout."""
        with self._changed:
            current = self._current.pop(receipt.message_id, receipt)
            for handle in (receipt.handle, current.handle):
                self._held.pop(handle, None)
                self._lost.pop(handle, None)
            if self._when_empty is not None:
                self._changed.notify_all()

    def end(self, receipt: Receipt) -> None:
        """Forget a message whose settlement is over, unless it was received again since.

        SQS may hand out what was given back before its answer to that is here.
        """
        with self._changed:
            current = self.current(receipt)
            held = self._held.get(current.handle)
            if current.handle == receipt.handle or (held is not None and held.disposing):
                self.drop(receipt)

    def retire(self, when_empty: Callable[[], None]) -> None:
        """Do something, and end, once the last message is dropped."""
        with self._changed:
            self._when_empty = when_empty
            self._changed.notify_all()
        self.start()

    def run(self) -> None:
        """Extend what is due, until stopped."""
        while not self.stopping:
            with self._changed:
                retired = self._when_empty if not self._held else None
            if retired is not None:
                retired()
                return
            self.extend_due()
            self._wait()

    def wake(self) -> None:
        """End the wait."""
        with self._changed:
            self._changed.notify_all()

    def extend_due(self) -> None:
        """Extend what is due now, and lose what has ended.

        Costs a ChangeMessageVisibilityBatch for each ten messages of a queue.
        """
        due = self._take_due()
        for address, batch in batches((held.receipt.address, held) for held in due):
            asked_at = self._clock.monotonic()
            seconds = {
                held.receipt.handle: held.lease.extension_seconds(asked_at) for held in batch
            }
            answer = self._ask(address, batch, seconds)
            self._apply(answer, asked_at, seconds)

    def _take(self, held: _Held, taken: Taken) -> None:
        receipt = held.receipt
        known = self._current.get(receipt.message_id)
        if receipt.message_id:
            self._current[receipt.message_id] = receipt
        self._held[receipt.handle] = held
        if known is None:
            taken.new.append(receipt)
            return
        before = self._held.pop(known.handle, None) or self._lost.pop(known.handle, None)
        if before is not None:
            held.task, held.settling = before.task, before.settling
            held.disposing = before.disposing
        taken.known.append(receipt)
        if held.settling and not held.disposing:
            taken.finished.append(receipt)

    def _take_due(self) -> list[_Held]:
        with self._changed:
            now = self._clock.monotonic()
            self._tell_of_limits(now)
            keys = due_leases(((key, held.lease) for key, held in self._held.items()), now)
            due = [self._held[key] for key in keys]
            for held in due:
                held.asking = True
            return due

    def _tell_of_limits(self, now: float) -> None:
        for held in list(self._held.values()):
            if held.lease.near_limit(now) and not held.warned:
                held.warned = True
                logger.warning(
                    "queue %s: %s has been held for almost 12 hours; SQS hands its message out "
                    "again in %.0f s, and it may run a second time",
                    held.receipt.queue,
                    held.task,
                    held.lease.limit_at - now,
                )
            if held.lease.over(now) and held.lease.extend_at == inf:
                self._lose(held, _LIMIT_REACHED)

    def _ask(
        self, address: QueueAddress, batch: Sequence[_Held], seconds: Mapping[ReceiptHandle, int]
    ) -> _Answer:
        timeouts = [(held.receipt.handle, seconds[held.receipt.handle]) for held in batch]
        try:
            failures = address.service.change_visibility_batch(address.url, timeouts)
        except NotFoundError as error:
            return _Answer(lost=[(held, str(error)) for held in batch])
        except AwsError as error:
            self._log_failure(address, batch, error)
            return _Answer(failed=list(batch))
        except Exception:
            # A bug here must not end the thread: it would end the leases of all that runs.
            logger.critical(
                "queue %s: %s lease(s) could not be extended, by a bug in celery-aws; trying again",
                batch[0].receipt.queue,
                len(batch),
                exc_info=True,
            )
            return _Answer(failed=list(batch))
        answer = _Answer()
        failed = {failure.receipt_handle: failure for failure in failures}
        for held in batch:
            failure = failed.get(held.receipt.handle)
            if failure is None:
                answer.extended.append(held)
            elif failure.sender_fault:
                answer.lost.append((held, str(failure.error)))
            else:
                answer.failed.append(held)
        return answer

    def _apply(
        self, answer: _Answer, asked_at: float, seconds: Mapping[ReceiptHandle, int]
    ) -> None:
        with self._changed:
            now = self._clock.monotonic()
            for held in answer.extended:
                held.lease = held.lease.extended(asked_at, seconds[held.receipt.handle])
            for held in answer.failed:
                held.lease = held.lease.failed(now, self._jitter)
            for held, why in answer.lost:
                self._lose(held, why)
            asked = [*answer.extended, *answer.failed, *(held for held, _ in answer.lost)]
            released = [
                (held.receipt, held.released) for held in asked if held.released is not None
            ]
            for held in asked:
                held.asking = False
        self._record.count("extended", len(answer.extended))
        for receipt, then in released:
            self.release(receipt, then)

    def _lose(self, held: _Held, why: str) -> None:
        handle = held.receipt.handle
        if self._held.pop(handle, None) is None or held.released is not None:
            return
        self._lost[handle] = held
        if held.settling:
            return  # Should it come back, it is still to be deleted.
        self._record.count("leases_lost")
        logger.error(
            "queue %s: the lease of a message was lost (%s), so another worker may receive it: %s",
            held.receipt.queue,
            held.task,
            why,
        )

    def _log_failure(self, address: QueueAddress, batch: Sequence[_Held], error: AwsError) -> None:
        if isinstance(error, AccessDeniedError):
            if address.url not in self._denied:
                self._denied.add(address.url)
                logger.critical(
                    "queue %s: tasks that take longer than the visibility timeout of %s s run "
                    "twice, because it cannot be extended: %s",
                    batch[0].receipt.queue,
                    self._timeout_seconds,
                    error,
                )
            return
        logger.warning(
            "queue %s: %s lease(s) could not be extended yet, trying again: %s",
            batch[0].receipt.queue,
            len(batch),
            error,
        )

    def _wait(self) -> None:
        with self._changed:
            if self.stopping or (self._when_empty is not None and not self._held):
                return
            looks_at = min(
                (held.lease.attention_at(warned=held.warned) for held in self._held.values()),
                default=inf,
            )
            self._looks_at = looks_at
            seconds = looks_at - self._clock.monotonic()
            if seconds > 0:
                self._changed.wait(None if seconds == inf else seconds)
            self._looks_at = -inf
