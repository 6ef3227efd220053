"""Settles messages off the worker's loop: deletes and give-backs, ten to a request.

An acknowledgement waits for others for ``ack_linger_seconds`` at most, then goes out as a
DeleteMessageBatch; a message that is given back goes out as a ChangeMessageVisibilityBatch to
0 seconds. Entries that AWS refuses although the request succeeded are tried again one by one.
What cannot be settled is logged with its message's fate: it is delivered again when its
visibility timeout ends.
"""

import logging
import random
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import Any

from celery_aws.aws.sqs import BatchFailure
from celery_aws.background import BackgroundThread
from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.message import Receipt
from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff, Random
from celery_aws.core.batching import batches
from celery_aws.errors import AwsError, StaleReceiptError, TemporaryError
from celery_aws.limits import SQS_BATCH_ENTRIES
from celery_aws.names import ReceiptHandle

logger = logging.getLogger(__name__)

#: How often a settlement is tried, the first time included.
ATTEMPTS = 5

#: Seconds that the end of the process waits for settlements, if nobody closed the connection.
AT_EXIT_SECONDS = 30.0

_BACKOFF = Backoff(base_seconds=0.2, cap_seconds=5.0)


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What shall become of one received message."""

    receipt: Receipt
    #: None deletes it; a number lets its queue hand it out again after so many seconds.
    visible_in_seconds: int | None = None


class Acker(BackgroundThread):
    """The thread that settles the messages of one connection.

    It starts with the first settlement. :meth:`stop` settles what is left before it returns,
    within its deadline; settlements that arrive afterwards are done in the caller's thread.
    """

    def __init__(
        self,
        *,
        linger_seconds: float,
        clock: Clock,
        jitter: Random = random.random,
    ) -> None:
        super().__init__("celery-aws-acker")
        self._linger_seconds = linger_seconds
        self._clock = clock
        self._jitter = jitter
        self._pending: deque[Settlement] = deque()
        self._under_way = 0
        self._urgent = False
        self._changed = threading.Condition()
        self._at_exit: Any = None

    def delete(self, receipt: Receipt) -> None:
        """Delete the message, soon. Never blocks on AWS while the thread runs."""
        self._submit(Settlement(receipt=receipt))

    def give_back(self, receipt: Receipt, *, visible_in_seconds: int = 0) -> None:
        """Let the queue hand the message out again after ``visible_in_seconds``."""
        self._submit(Settlement(receipt=receipt, visible_in_seconds=visible_in_seconds))

    def flush(self, timeout_seconds: float) -> bool:
        """Settle everything that was submitted so far, without waiting for company.

        Returns:
            False if the time was up first.
        """
        with self._changed:
            self._urgent = True
            self._changed.notify_all()
            if not self.alive:
                return not self._pending
            return self._changed.wait_for(
                lambda: not self._pending and not self._under_way, timeout_seconds
            )

    def stop(self, timeout_seconds: float) -> bool:
        """Settle what is left and end the thread."""
        ended = super().stop(timeout_seconds)
        if self._at_exit is not None:
            self._at_exit.cancel()
        return ended

    def run(self) -> None:
        """Settle batches until stopped and empty."""
        while True:
            work = self._next_work()
            if not work:
                return
            try:
                self._settle(work)
            finally:
                with self._changed:
                    self._under_way = 0
                    self._changed.notify_all()

    def wake(self) -> None:
        """End the wait for company."""
        with self._changed:
            self._changed.notify_all()

    def _submit(self, settlement: Settlement) -> None:
        with self._changed:
            late = self.stopping and not self.alive
            if not late:
                self._pending.append(settlement)
                self._changed.notify_all()
                if self._at_exit is None:
                    # A process that ends without closing its connection: what was
                    # acknowledged must still be deleted.
                    self._at_exit = Finalize(
                        None, self.stop, args=(AT_EXIT_SECONDS,), exitpriority=1
                    )
        if late:
            self._settle([settlement])
        else:
            self.start()

    def _next_work(self) -> list[Settlement]:
        """Wait for settlements and take them all; empty when stopped and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self.stopping)
            self._changed.wait_for(self._has_company, self._linger_seconds)
            work = list(self._pending)
            self._pending.clear()
            self._under_way = len(work)
            self._urgent = False
            return work

    def _has_company(self) -> bool:
        return len(self._pending) >= SQS_BATCH_ENTRIES or self.stopping or self._urgent

    def _settle(self, work: Sequence[Settlement]) -> None:
        deletes = [(s.receipt.address, s) for s in work if s.visible_in_seconds is None]
        changes = [(s.receipt.address, s) for s in work if s.visible_in_seconds is not None]
        for address, batch in batches(changes) + batches(deletes):
            self._settle_batch(address, batch)

    def _settle_batch(self, address: QueueAddress, batch: Sequence[Settlement]) -> None:
        left = list(batch)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                failures = _request(address, left)
            except AwsError as error:
                if not isinstance(error, TemporaryError) or attempt == ATTEMPTS:
                    _log_unsettled(left, error)
                    return
            else:
                left = _worth_retrying(left, failures, last=attempt == ATTEMPTS)
                if not left:
                    return
            self._clock.sleep(_BACKOFF.wait_seconds(attempt - 1, self._jitter))


def _request(address: QueueAddress, batch: Sequence[Settlement]) -> list[BatchFailure]:
    timeouts: list[tuple[ReceiptHandle, int]] = []
    handles: list[ReceiptHandle] = []
    for settlement in batch:
        if settlement.visible_in_seconds is None:
            handles.append(settlement.receipt.handle)
        else:
            timeouts.append((settlement.receipt.handle, settlement.visible_in_seconds))
    failures: list[BatchFailure] = []
    if handles:
        failures += address.service.delete_batch(address.url, handles)
    if timeouts:
        failures += address.service.change_visibility_batch(address.url, timeouts)
    return failures


def _worth_retrying(
    batch: Sequence[Settlement], failures: Sequence[BatchFailure], *, last: bool
) -> list[Settlement]:
    by_handle = {settlement.receipt.handle: settlement for settlement in batch}
    again = []
    for failure in failures:
        settlement = by_handle[failure.receipt_handle]
        if failure.sender_fault or last:
            _log_unsettled([settlement], failure.error)
        else:
            again.append(settlement)
    return again


def _log_unsettled(batch: Sequence[Settlement], error: AwsError) -> None:
    deleted = sum(settlement.visible_in_seconds is None for settlement in batch)
    if isinstance(error, StaleReceiptError):
        hint = "their visibility timeout ended before; another worker may have them"
    else:
        hint = "they are delivered again when their visibility timeout ends"
    logger.error(
        "queue %s: %s message(s) could not be deleted and %s not given back: %s; %s",
        batch[0].receipt.queue,
        deleted,
        len(batch) - deleted,
        error,
        hint,
    )
