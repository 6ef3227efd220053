"""Settles messages off the worker's loop: deletes and give-backs, ten to a request.

An acknowledgement waits for others for ``ack_linger_seconds`` at most, then goes out as a
DeleteMessageBatch; a message that is given back goes out as a ChangeMessageVisibilityBatch to
0 seconds. What fails for now is tried again with growing pauses, for as long as it takes, and its
lease is kept meanwhile, or the outage of an hour would run every finished task again. What a
request means and what becomes of a failed one is in :mod:`celery_aws.broker.settlement`.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from multiprocessing.util import Finalize
from typing import Any

from celery_aws.background import BackgroundThread
from celery_aws.broker.dead_letters import DeadLetters, Rejected
from celery_aws.broker.errands import Errand
from celery_aws.broker.leases import Leases
from celery_aws.broker.message import Receipt
from celery_aws.broker.pending_settlements import PendingSettlements
from celery_aws.broker.settlement import Batch, Outcome, Settlement, batches_of, settle_once
from celery_aws.broker.status import delivery_record
from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff, Random, is_worth_logging
from celery_aws.core.messages import ReceivedMessage
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

#: Seconds that the end of the process waits for settlements, if nobody closed the connection.
AT_EXIT_SECONDS = 30.0

#: How often a settlement is tried that comes after the thread has ended.
ATTEMPTS_WITHOUT_THREAD = 5

_BACKOFF = Backoff(base_seconds=0.2, cap_seconds=3.0)


class Acker(BackgroundThread):
    """The thread that settles the messages of one connection.

    It starts with the first settlement. :meth:`stop` settles what is left before it returns,
    within its deadline; settlements that arrive afterwards are done in the caller's thread.

    A settlement belongs to the thread from the moment it is pending until the thread takes its
    last look, which sets ``_ended`` under the same lock: so none can fall between the two.

    Args:
        linger_seconds: how long an acknowledgement waits for company.
        clock: for the pauses between tries.
        leases: of the messages that are settled here.
        on_deleted: is told, in the thread, which messages SQS has deleted.
        jitter: random numbers for the pauses.
    """

    def __init__(
        self,
        *,
        linger_seconds: float,
        clock: Clock,
        leases: Leases,
        on_deleted: Callable[[Sequence[Receipt]], None] | None = None,
        jitter: Random = random.random,
    ) -> None:
        super().__init__("celery-aws-acker")
        self._linger_seconds = linger_seconds
        self._clock = clock
        self._leases = leases
        self._on_deleted = on_deleted
        self._jitter = jitter
        self._record = delivery_record()
        self._dead_letters = DeadLetters(clock)
        #: Queues that messages were given back to.
        self.gave_back_to: set[AmqpQueue] = set()
        self._pending = PendingSettlements()
        self._retries: list[Batch] = []
        # Numbers of what was submitted to the thread and is not finished, oldest first, and up to
        # which one somebody waits.
        self._numbers = count(1)
        self._unfinished: set[int] = set()
        self._flush_up_to = 0
        self._ended = False
        self._changed = threading.Condition()
        self._at_exit: Any = None

    def delete(self, receipt: Receipt) -> None:
        """Delete the message, soon. Never blocks on AWS while the thread runs."""
        kept = self._leases.settling(receipt)
        # Only now: what is received again from here on is deleted by whoever receives it.
        receipt = self._leases.current(receipt)
        if not kept:
            logger.warning(
                "queue %s: a message is acknowledged whose lease was lost; another worker may "
                "have received it, and may run its task again",
                receipt.queue,
            )
        self._submit(Settlement(receipt=receipt, number=next(self._numbers)))

    def give_back(self, receipt: Receipt, *, visible_in_seconds: int = 0) -> None:
        """Let the queue hand the message out again after ``visible_in_seconds``."""
        receipt = self._leases.current(receipt)
        self.gave_back_to.add(receipt.queue)
        settlement = Settlement(
            receipt=receipt, visible_in_seconds=visible_in_seconds, number=next(self._numbers)
        )
        self._leases.release(receipt, lambda: self._submit(settlement))

    def leave(self, receipt: Receipt) -> None:
        """Let the queue hand the message out again when its visibility timeout ends."""
        self._leases.drop(receipt)

    def hurry(self) -> None:
        """Settle what was submitted so far without waiting for company; returns at once."""
        with self._changed:
            self._flush_up_to = max(self._unfinished, default=0)
            self._changed.notify_all()

    def reject(self, receipt: Receipt, message: ReceivedMessage, *, move: bool) -> None:
        """Delete the message for good, if its queue has no dead-letter queue.

        Args:
            receipt: settles it.
            message: as SQS handed it out.
            move: to the dead-letter queue, soon; otherwise it is left for SQS to move.
        """
        # Where the lease was lost, another worker may have it, and moves it itself.
        move = self._leases.settling(receipt, disposing=True) and move
        rejected = Rejected(message=message, move=move)
        self._submit(
            Settlement(
                receipt=self._leases.current(receipt),
                errand=partial(self._dead_letters.dispose, rejected=rejected),
                number=next(self._numbers),
            )
        )

    def move(self, receipt: Receipt, errand: Errand, *, on_kept: Callable[[Receipt], None]) -> None:
        """Delete the message once it is elsewhere, soon. Never blocks on AWS.

        Args:
            receipt: settles it.
            errand: sends it there.
            on_kept: is told, in the thread, that the message is to be worked on here after all;
                by then it is as it was before.
        """
        self._leases.settling(receipt, disposing=True)
        self._submit(
            Settlement(
                receipt=self._leases.current(receipt),
                errand=errand,
                on_kept=on_kept,
                number=next(self._numbers),
            )
        )

    def flush(self, timeout_seconds: float) -> bool:
        """Settle everything that was submitted so far, without waiting for company.

        Returns:
            False if the time was up first.
        """
        with self._changed:
            target = max(self._unfinished, default=0)
            if not target:
                return True
            self._flush_up_to = target
            self._changed.notify_all()
        self.start()
        with self._changed:
            return self._changed.wait_for(lambda: self._finished_up_to(target), timeout_seconds)

    def stop(self, timeout_seconds: float) -> bool:
        """Settle what is left and end the thread.

        Returns:
            False if the time was up first; then the thread goes on by itself, and the end of the
            process does not wait for it again.
        """
        ended = super().stop(timeout_seconds)
        if self.forked:
            return True  # what is pending is the parent's
        if ended:
            self._settle_here()  # Nothing is left, unless the thread never started.
        if self._at_exit is not None and timeout_seconds:
            self._at_exit.cancel()
        return ended

    def run(self) -> None:
        """Settle batches until stopped and empty."""
        while True:
            work = self._next_work()
            if not work:
                return
            for batch in work:
                self._settle(batch)

    def wake(self) -> None:
        """End the wait for company."""
        with self._changed:
            self._changed.notify_all()

    def _submit(self, settlement: Settlement) -> None:
        with self._changed:
            late = self._ended
            if not late:
                self._unfinished.add(settlement.number)
                # Woken for each one, the thread would cost more than its requests.
                if self._pending.add(settlement, self._clock.monotonic()):
                    self._changed.notify_all()
                if self._at_exit is None:
                    # A process that ends without closing its connection: what was
                    # acknowledged must still be deleted.
                    self._at_exit = Finalize(
                        None, self.stop, args=(AT_EXIT_SECONDS,), exitpriority=1
                    )
        if late:
            self._settle(Batch(address=settlement.receipt.address, settlements=[settlement]))
            self._settle_here()
        else:
            self.start()

    def _settle_here(self) -> None:
        """Settle what is left, in the caller's thread; give up after some tries."""
        for attempt in range(ATTEMPTS_WITHOUT_THREAD):
            work = self._take(last=True)
            if not work:
                return
            self._clock.sleep(_BACKOFF.wait_seconds(attempt, self._jitter) if attempt else 0.0)
            for batch in work:
                self._settle(batch)
        left = [settlement for batch in self._take(last=True) for settlement in batch.settlements]
        if left:
            logger.error("%s message(s) could not be settled; they are delivered again", len(left))
            self._record.count("unsettled", len(left))
            self._finish(left)

    def _next_work(self) -> list[Batch]:
        """Wait for what to ask for now; empty when stopped and nothing is left."""
        with self._changed:
            while True:
                work = self._take(full=self._wait_for_company())
                if work:
                    return work
                if not self._wait_for_work():
                    return self._take(last=True)

    def _wait_for_company(self) -> bool:
        """Wait until a request is full, or time is up; True if the rest can wait on."""
        if not self._pending:
            return False
        left = self._pending.since + self._linger_seconds - self._clock.monotonic()
        in_time = self._changed.wait_for(self._has_company, left) and left > 0
        return in_time and not self._hurried

    def _wait_for_work(self) -> bool:
        """Wait for something new or due; False when stopped and nothing is left."""
        if self._retries:
            due_at = min(batch.due_at for batch in self._retries)
            self._clock.wait(self._changed, max(0.0, due_at - self._clock.monotonic()))
            return True
        if self.stopping:
            return False
        self._changed.wait()
        return True

    def _take(self, *, full: bool = False, last: bool = False) -> list[Batch]:
        """Take what can be asked for now.

        Args:
            full: leave what does not fill a request.
            last: nothing is taken in afterwards.
        """
        with self._changed:
            pending = self._pending.take_full() if full else self._pending.take_all()
            now = self._clock.monotonic()
            due = [batch for batch in self._retries if last or batch.due_at <= now]
            # After an outage there may be thousands: never to be compared with each other.
            self._retries = [] if last else [each for each in self._retries if each.due_at > now]
            work = due + batches_of(pending)
            self._ended = self._ended or last
            return work

    def _has_company(self) -> bool:
        if self._flush_up_to and self._finished_up_to(self._flush_up_to):
            self._flush_up_to = 0
        return self._hurried or self._pending.full

    @property
    def _hurried(self) -> bool:
        return bool(self._flush_up_to) or self.stopping

    def _finished_up_to(self, number: int) -> bool:
        return min(self._unfinished, default=number + 1) > number

    def _settle(self, batch: Batch) -> None:
        batch = self._up_to_date(batch)
        if not batch.settlements:
            return
        try:
            outcome = settle_once(batch.address, batch.settlements)
            self._after(batch, outcome)
        except Exception:
            # A bug here must neither end the thread nor reach Celery's callback.
            logger.critical(
                "%s message(s) of %s could not be settled, by a bug in celery-aws; they are "
                "delivered again when their visibility timeout ends",
                len(batch.settlements),
                batch.address.url,
                exc_info=True,
            )
            self._finish(batch.settlements)

    def _up_to_date(self, batch: Batch) -> Batch:
        """Return the batch as it is wanted by now: messages may have been received again since.

        What was given back at an earlier try is not given back while somebody here works on it.
        """
        wanted, over = [], []
        for each in batch.settlements:
            receipt = self._leases.current(each.receipt)
            if receipt == each.receipt or receipt.address != batch.address:
                wanted.append(each)
            elif each.visible_in_seconds is not None:
                over.append(each)
            else:
                wanted.append(replace(each, receipt=receipt) if each.errand else each)
        if over:
            self._finish(over)
        return replace(batch, settlements=wanted)

    def _after(self, batch: Batch, outcome: Outcome) -> None:
        deleted = [s.receipt for s in outcome.settled if s.visible_in_seconds is None]
        self._record.count("deleted", len(deleted))
        self._record.count("given_back", len(outcome.settled) - len(deleted))
        self._record.count("unsettled", len(outcome.given_up))
        self._finish([*outcome.settled, *outcome.left, *outcome.given_up])
        for kept in outcome.kept:
            self._keep(kept)
        if outcome.again:
            self._try_again(batch, outcome)
        if deleted and self._on_deleted is not None:
            self._on_deleted(deleted)

    def _try_again(self, batch: Batch, outcome: Outcome) -> None:
        self._record.count("settled_later", sum(map(len, outcome.again)))
        pause = _BACKOFF.wait_seconds(batch.attempt, self._jitter)
        failures = batch.attempt + 1
        if is_worth_logging(failures):
            logger.warning(
                "queue %s: %s message(s) could not be settled yet (try %s), trying again: %s",
                batch.settlements[0].receipt.queue,
                sum(map(len, outcome.again)),
                failures,
                outcome.because,
            )
        retries = [
            Batch(
                address=batch.address,
                settlements=settlements,
                attempt=failures,
                due_at=self._clock.monotonic() + pause,
            )
            for settlements in outcome.again
        ]
        with self._changed:
            self._retries += retries
            self._changed.notify_all()

    def _keep(self, settlement: Settlement) -> None:
        self._leases.keep(settlement.receipt)
        if settlement.on_kept is not None:
            settlement.on_kept(settlement.receipt)
        self._forget([settlement])

    def _finish(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            self._leases.end(settlement.receipt)
        self._forget(settlements)

    def _forget(self, settlements: Sequence[Settlement]) -> None:
        with self._changed:
            self._unfinished.difference_update(each.number for each in settlements)
            self._changed.notify_all()
