"""Settles messages off the worker's loop: deletes and give-backs, ten to a request.

An acknowledgement waits for others for ``ack_linger_seconds`` at most, then goes out as a
DeleteMessageBatch; a message that is given back goes out as a ChangeMessageVisibilityBatch to
0 seconds. What fails for now is tried again with growing pauses; what a request means and what
becomes of a failed one is in :mod:`celery_aws.broker.settlement`.
"""

import logging
import random
import threading
from collections import deque
from collections.abc import Sequence
from multiprocessing.util import Finalize
from typing import Any

from celery_aws.background import BackgroundThread
from celery_aws.broker.dead_letters import DeadLetters, Rejected
from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.message import Receipt
from celery_aws.broker.settlement import Settlement, settle_once
from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff, Random
from celery_aws.core.batching import batches
from celery_aws.core.messages import ReceivedMessage
from celery_aws.limits import SQS_BATCH_ENTRIES
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

#: How often a settlement is tried, the first time included.
ATTEMPTS = 5

#: Seconds that the end of the process waits for settlements, if nobody closed the connection.
AT_EXIT_SECONDS = 30.0

_BACKOFF = Backoff(base_seconds=0.2, cap_seconds=5.0)


class Acker(BackgroundThread):
    """The thread that settles the messages of one connection.

    It starts with the first settlement. :meth:`stop` settles what is left before it returns,
    within its deadline; settlements that arrive afterwards are done in the caller's thread.

    A settlement belongs to the thread from the moment it is pending until the thread takes its
    last look, which sets ``_ended`` under the same lock: so none can fall between the two.
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
        self._dead_letters = DeadLetters(clock)
        #: Queues that messages were given back to.
        self.gave_back_to: set[AmqpQueue] = set()
        self._pending: deque[Settlement] = deque()
        # How many were ever submitted to the thread, how many of these it has finished with, and
        # up to which one somebody waits.
        self._submitted = 0
        self._settled = 0
        self._flush_up_to = 0
        self._ended = False
        self._changed = threading.Condition()
        self._at_exit: Any = None

    def delete(self, receipt: Receipt) -> None:
        """Delete the message, soon. Never blocks on AWS while the thread runs."""
        self._submit(Settlement(receipt=receipt))

    def give_back(self, receipt: Receipt, *, visible_in_seconds: int = 0) -> None:
        """Let the queue hand the message out again after ``visible_in_seconds``."""
        self.gave_back_to.add(receipt.queue)
        self._submit(Settlement(receipt=receipt, visible_in_seconds=visible_in_seconds))

    def reject(self, receipt: Receipt, message: ReceivedMessage, *, move: bool) -> None:
        """Delete the message for good, if its queue has no dead-letter queue.

        Args:
            receipt: settles it.
            message: as SQS handed it out.
            move: to the dead-letter queue, soon; otherwise it is left for SQS to move.
        """
        self._submit(Settlement(receipt=receipt, rejected=Rejected(message=message, move=move)))

    def flush(self, timeout_seconds: float) -> bool:
        """Settle everything that was submitted so far, without waiting for company.

        Returns:
            False if the time was up first.
        """
        with self._changed:
            target = self._submitted
            if self._settled >= target:
                return True
            self._flush_up_to = target
            self._changed.notify_all()
        self.start()
        with self._changed:
            return self._changed.wait_for(lambda: self._settled >= target, timeout_seconds)

    def stop(self, timeout_seconds: float) -> bool:
        """Settle what is left and end the thread."""
        if not super().stop(timeout_seconds):
            return False
        if self.forked:
            return True  # what is pending is the parent's
        # Nothing is left, unless the thread never started.
        self._finish(self._take(last=True))
        if self._at_exit is not None:
            self._at_exit.cancel()
        return True

    def run(self) -> None:
        """Settle batches until stopped and empty."""
        while True:
            work = self._next_work()
            if not work:
                return
            self._finish(work)

    def wake(self) -> None:
        """End the wait for company."""
        with self._changed:
            self._changed.notify_all()

    def _submit(self, settlement: Settlement) -> None:
        with self._changed:
            late = self._ended
            if not late:
                self._pending.append(settlement)
                self._submitted += 1
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
            return self._take(last=not self._pending)

    def _take(self, *, last: bool) -> list[Settlement]:
        with self._changed:
            self._ended = self._ended or last
            work = list(self._pending)
            self._pending.clear()
            return work

    def _finish(self, work: Sequence[Settlement]) -> None:
        self._settle(work)
        with self._changed:
            self._settled += len(work)
            self._changed.notify_all()

    def _has_company(self) -> bool:
        wanted = self._settled < self._flush_up_to
        return wanted or self.stopping or len(self._pending) >= SQS_BATCH_ENTRIES

    def _settle(self, work: Sequence[Settlement]) -> None:
        deletes = [
            (s.receipt.address, s)
            for s in work
            if s.visible_in_seconds is None and s.rejected is None
        ]
        changes = [(s.receipt.address, s) for s in work if s.visible_in_seconds is not None]
        rejected = [(s.receipt.address, s) for s in work if s.rejected is not None]
        # What was rejected comes last: moving it takes a request for each.
        for address, batch in batches(changes) + batches(deletes) + batches(rejected):
            self._settle_batch(address, batch)

    def _settle_batch(self, address: QueueAddress, batch: Sequence[Settlement]) -> None:
        try:
            self._try_until_settled(address, batch)
        except Exception:
            # A bug here must neither end the thread nor reach Celery's callback.
            logger.critical(
                "%s message(s) of %s could not be settled, by a bug in celery-aws; they are "
                "delivered again when their visibility timeout ends",
                len(batch),
                address.url,
                exc_info=True,
            )

    def _try_until_settled(self, address: QueueAddress, batch: Sequence[Settlement]) -> None:
        left = [list(batch)]
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            left = [
                again
                for each in left
                for again in settle_once(address, each, self._dead_letters, last=last)
            ]
            if not left:
                return
            self._clock.sleep(_BACKOFF.wait_seconds(attempt - 1, self._jitter))
