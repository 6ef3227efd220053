"""The run of a migration: threads that claim, send, note and commit, until nothing is left.

What one batch is: :mod:`celery_aws.migrate.transfer_batch`. Each thread has a source and a target
of its own; journal, quarantine and pace are shared. The first thread begins with what an earlier
run had claimed, and only then the others begin, so that nobody takes what one of them has in hand
for that of a dead run.
"""

import logging
import random
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass

from celery_aws.background import BackgroundThread
from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff, Random
from celery_aws.core.pace import Pace
from celery_aws.errors import BrokerLostError, TemporaryError
from celery_aws.migrate.journal import Journal
from celery_aws.migrate.quarantine import Quarantine
from celery_aws.migrate.sides import Claim, Source, Target
from celery_aws.migrate.tally import Tally
from celery_aws.migrate.transfer_batch import Batches

logger = logging.getLogger(__name__)

#: Messages of one batch: what SQS takes at once, and what a kill may double.
BATCH_MESSAGES = 10

#: Seconds between two looks at a source in which nothing waited.
IDLE_SECONDS = 1.0

#: Times in a row that a source that did not answer is asked again.
_TRIES = 5

_PAUSES = Backoff(base_seconds=1.0, cap_seconds=30.0)

#: Seconds for which the threads are waited for at a time: they report what they did.
_REPORT_SECONDS = 0.2

#: Seconds for which a run that was interrupted waits for the other threads to give back.
_END_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Sides:
    """How the threads of a run get their sources and targets.

    Attributes:
        source: makes the source of a thread by the thread's name.
        target: makes its target.
    """

    source: Callable[[str], Source]
    target: Callable[[str], Target]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a run is told.

    Attributes:
        run: its name, unique.
        threads: that move messages; a kill may double one batch of each.
        per_second: messages at most, over all threads, on average; None is no limit.
        follow: go on when nothing is left, until it is stopped.
        revoked: ids of tasks that are not to run.
    """

    run: str
    threads: int = 1
    per_second: float | None = None
    follow: bool = False
    revoked: Collection[str] = frozenset()


def migrate(
    sides: Sides,
    order: Order,
    *,
    journal: Journal,
    quarantine: Quarantine,
    clock: Clock,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _: None,
    tally: Tally | None = None,
) -> Tally:
    """Move all messages of a source, ten at a time, and return how many became what.

    Killed at any instruction it has lost none, and sent at most one batch a thread that the next
    run sends again.

    Args:
        sides: where from and where to.
        order: how.
        journal: what became of each; held by whoever calls.
        quarantine: takes those that do not go.
        clock: for the journal and for pauses.
        stopped: tells whether somebody wants it to stop: then each thread ends with its batch.
        progress: hears, in the caller's thread, of how many more are settled.
        tally: what is returned; also right after an error.

    Raises:
        CeleryAwsError: messages cannot be sent, the journal cannot be written, or the source cannot
            be reached. What was claimed was given back, as far as that was possible.

    Costs what the sides cost: to SQS one SendMessageBatch for ten messages of one queue.
    """
    run = _Run(
        sides,
        order,
        journal=journal,
        quarantine=quarantine,
        clock=clock,
        asked=stopped,
        progress=progress,
    )
    return run.carry_out(Tally() if tally is None else tally)


class _Run:
    """All threads of one run, as seen by the one that called."""

    def __init__(
        self,
        sides: Sides,
        order: Order,
        *,
        journal: Journal,
        quarantine: Quarantine,
        clock: Clock,
        asked: Callable[[], bool],
        progress: Callable[[int], None],
    ) -> None:
        self.sides = sides
        self.order = order
        self.journal = journal
        self.quarantine = quarantine
        self.clock = clock
        self.jitter: Random = random.random
        self._asked = asked
        self._progress = progress
        self._told = 0
        self._aborted = threading.Event()
        self._pace = None if order.per_second is None else Pace(per_second=order.per_second)
        self._pace_lock = threading.Lock()
        self._shares = [_Share(self, number) for number in range(order.threads)]
        self._threads = [_ShareThread(each) for each in self._shares[1:]]

    def carry_out(self, tally: Tally) -> Tally:
        """Do it, and add up the numbers whatever happens."""
        first = self._shares[0]
        try:
            first.work(begun=self._start_others, after_batch=self.report)
            self._wait_for_others()
        finally:
            self.abort()
            for thread in self._threads:
                if not thread.stop(_END_SECONDS):
                    logger.error("%s does not end; what it has claimed stays claimed", thread.name)
            self.report()
            for share in self._shares:
                tally.add(share.tally)
        for thread in self._threads:
            if thread.error is not None:
                raise thread.error
        return tally

    def stopped(self) -> bool:
        """Tell whether the threads are to end."""
        return self._aborted.is_set() or self._asked()

    def abort(self) -> None:
        """Let all threads end with their batches."""
        self._aborted.set()

    def rest(self) -> None:
        """Wait until the pace allows another batch, or somebody wants it to stop."""
        while not self.stopped():
            with self._pace_lock:
                pace = self._pace
            seconds = 0.0 if pace is None else pace.rest_seconds(self.clock.monotonic())
            if not seconds:
                return
            self.clock.sleep(min(seconds, IDLE_SECONDS))

    def took(self, count: int) -> None:
        """Note that so many messages were taken."""
        with self._pace_lock:
            if self._pace is not None:
                self._pace = self._pace.after(count, self.clock.monotonic())

    def report(self) -> None:
        """Tell how many more messages are settled, in the thread that called the run."""
        settled = sum(share.tally.moved for share in self._shares)
        self._progress(settled - self._told)
        self._told = settled

    def _start_others(self) -> None:
        for thread in self._threads:
            thread.start()

    def _wait_for_others(self) -> None:
        while any(thread.alive for thread in self._threads):
            for thread in self._threads:
                thread.wait(_REPORT_SECONDS)
            self.report()


class _Share:
    """What one thread does of a run."""

    def __init__(self, run: _Run, number: int) -> None:
        self.tally = Tally()
        self.name = f"{run.order.run}-{number}"
        self._run = run
        self._recovers = number == 0
        self._failures = 0
        self._answered = False

    def work(
        self,
        begun: Callable[[], None] = lambda: None,
        after_batch: Callable[[], None] = lambda: None,
    ) -> None:
        """Move messages until none are left.

        Args:
            begun: called once, before the first message that no earlier run had claimed.
            after_batch: called after each batch.
        """
        run = self._run
        with (
            closing(run.sides.source(self.name)) as source,
            closing(run.sides.target(self.name)) as target,
        ):
            batches = Batches(
                source,
                target,
                journal=run.journal,
                quarantine=run.quarantine,
                revoked=run.order.revoked,
                tally=self.tally,
                clock=run.clock,
                stopped=run.stopped,
                jitter=run.jitter,
            )
            if self._recovers:
                while self._moves(source.recover, batches):
                    after_batch()
            begun()
            while self._moves(source.claim, batches) or self._waits():
                after_batch()

    def abort(self) -> None:
        """Let all threads of the run end."""
        self._run.abort()

    def _moves(self, take: Callable[[int], Sequence[Claim]], batches: Batches) -> bool:
        """Move a batch, or make another try later; False if nothing is left."""
        run = self._run
        run.rest()
        if run.stopped():
            return False
        try:
            claims = take(BATCH_MESSAGES)
            self._answered = True
            run.took(len(claims))
            if claims:
                batches.settle(claims)
        except (BrokerLostError, TemporaryError) as error:
            self._after_failure(error)
            return True
        self._failures = 0
        return bool(claims)

    def _waits(self) -> bool:
        """Wait for more, if that is wanted."""
        if not self._run.order.follow or self._run.stopped():
            return False
        self._run.clock.sleep(IDLE_SECONDS)
        return True

    def _after_failure(self, error: Exception) -> None:
        """Pause before another try; raise instead if that was enough of them."""
        self._failures += 1
        # A target that does not answer has been waited for.
        tried_enough = isinstance(error, TemporaryError) or self._failures > _TRIES
        if not self._answered or (tried_enough and not self._run.order.follow):
            raise error
        logger.warning("%s: going on in a moment: %s", self.name, error)
        self._run.clock.sleep(_PAUSES.wait_seconds(self._failures - 1, self._run.jitter))


class _ShareThread(BackgroundThread):
    """A thread for a share; its first error ends the run."""

    def __init__(self, share: _Share) -> None:
        super().__init__(f"celery-aws-{share.name}")
        self.error: Exception | None = None
        self._share = share

    def run(self) -> None:
        """Do the share."""
        try:
            self._share.work()
        except Exception as error:  # noqa: BLE001 - raised again in the thread that called
            self.error = error
            self._share.abort()

    def wait(self, seconds: float) -> None:
        """Wait for its end, for so long at most."""
        self._finished.wait(seconds)
