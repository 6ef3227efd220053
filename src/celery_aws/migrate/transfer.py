"""The run of a migration: threads that claim, send, note and commit, until nothing is left.

What one batch is: :mod:`celery_aws.migrate.transfer_batch`. Each thread has a source and a target
of its own; journal, quarantine and pace are shared. The first thread begins with what an earlier
run had claimed, and only then the others begin, so that nobody takes what one of them has in hand
for that of a dead run.
"""

import logging
from collections.abc import Callable

from celery_aws.clock import Clock
from celery_aws.migrate.journal import Journal
from celery_aws.migrate.quarantine import Quarantine
from celery_aws.migrate.tally import Tally
from celery_aws.migrate.transfer_order import Order, Sides
from celery_aws.migrate.transfer_share import Share, Shared, ShareThread

logger = logging.getLogger(__name__)

#: Seconds for which the threads are waited for at a time: they report what they did.
_REPORT_SECONDS = 0.2

#: Seconds for which a run that was interrupted waits for the other threads to give back.
_END_SECONDS = 30.0


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
    shared = Shared(
        sides, order, journal=journal, quarantine=quarantine, clock=clock, asked=stopped
    )
    return _Run(shared, progress).carry_out(Tally() if tally is None else tally)


class _Run:
    """All threads of one run, as seen by the one that called."""

    def __init__(self, shared: Shared, progress: Callable[[int], None]) -> None:
        self._shared = shared
        self._progress = progress
        self._told = 0
        self._shares = [Share(shared, number) for number in range(shared.order.threads)]
        self._threads = [ShareThread(each) for each in self._shares[1:]]

    def carry_out(self, tally: Tally) -> Tally:
        """Do it, and add up the numbers whatever happens."""
        first = self._shares[0]
        try:
            first.work(begun=self._start_others, after_batch=self.report)
            self._wait_for_others()
        finally:
            self._shared.abort()
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
