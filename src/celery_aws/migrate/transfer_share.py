"""What one thread of a run does, and what it shares with the others."""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import closing

from celery_aws.background import BackgroundThread
from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff, Random
from celery_aws.core.pace import Pace
from celery_aws.errors import BrokerLostError, TemporaryError
from celery_aws.migrate.journal import Journal
from celery_aws.migrate.quarantine import Quarantine
from celery_aws.migrate.sides import Claim, left_behind
from celery_aws.migrate.tally import Tally
from celery_aws.migrate.transfer_batch import Batches
from celery_aws.migrate.transfer_order import Order, Sides
from celery_aws.migrate.twins import Twins

logger = logging.getLogger(__name__)

#: Messages of one batch: what SQS takes at once, and what a kill may double.
BATCH_MESSAGES = 10

#: Seconds between two looks at a source in which nothing waited.
IDLE_SECONDS = 1.0

#: Times in a row that a source that did not answer is asked again.
_TRIES = 5

_PAUSES = Backoff(base_seconds=1.0, cap_seconds=30.0)


class Shared:
    """What the threads of a run have in common; thread-safe.

    Args:
        sides: where from and where to.
        order: how.
        journal: what became of each message.
        quarantine: takes those that do not go.
        clock: for the journal, for the pace and for pauses.
        asked: tells whether somebody wants the run to stop.
        jitter: spreads pauses.
    """

    def __init__(
        self,
        sides: Sides,
        order: Order,
        *,
        journal: Journal,
        quarantine: Quarantine,
        clock: Clock,
        asked: Callable[[], bool],
        jitter: Random = random.random,
    ) -> None:
        self.sides = sides
        self.order = order
        self.journal = journal
        self.quarantine = quarantine
        self.twins = Twins(journal)
        self.clock = clock
        self.jitter = jitter
        self._asked = asked
        self._aborted = threading.Event()
        self._pace = None if order.per_second is None else Pace(per_second=order.per_second)
        self._pace_lock = threading.Lock()

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


class Share:
    """What one thread does of a run."""

    def __init__(self, shared: Shared, number: int) -> None:
        self.tally = Tally()
        self.name = f"{shared.order.run}-{number}"
        self._shared = shared
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
        shared = self._shared
        with (
            closing(shared.sides.source(self.name)) as source,
            closing(shared.sides.target(self.name)) as target,
        ):
            batches = Batches(
                source,
                target,
                journal=shared.journal,
                quarantine=shared.quarantine,
                twins=shared.twins,
                revoked=shared.order.revoked,
                tally=self.tally,
                clock=shared.clock,
                stopped=shared.stopped,
                jitter=shared.jitter,
            )
            if self._recovers:
                while self._moves(source.recover, batches):
                    after_batch()
            if shared.order.only_claimed:
                return
            begun()
            while self._moves(source.claim, batches) or self._waits():
                after_batch()
            if self._recovers:
                # Each thread meets them.
                self.tally.left += left_behind(source)

    def abort(self) -> None:
        """Let all threads of the run end."""
        self._shared.abort()

    def _moves(self, take: Callable[[int], Sequence[Claim]], batches: Batches) -> bool:
        """Move a batch, or make another try later; False if nothing is left."""
        shared = self._shared
        shared.rest()
        if shared.stopped():
            return False
        try:
            claims = take(BATCH_MESSAGES)
            self._answered = True
            shared.took(len(claims))
            if claims:
                batches.settle(claims)
        except (BrokerLostError, TemporaryError) as error:
            self._after_failure(error)
            return True
        self._failures = 0
        return bool(claims)

    def _waits(self) -> bool:
        """Wait for more, if that is wanted."""
        if not self._shared.order.follow or self._shared.stopped():
            return False
        self._shared.clock.sleep(IDLE_SECONDS)
        return True

    def _after_failure(self, error: Exception) -> None:
        """Pause before another try; raise instead if that was enough of them."""
        self._failures += 1
        # A target that does not answer has been waited for.
        tried_enough = isinstance(error, TemporaryError) or self._failures > _TRIES
        if not self._answered or (tried_enough and not self._shared.order.follow):
            raise error
        logger.warning("%s: going on in a moment: %s", self.name, error)
        self._shared.clock.sleep(_PAUSES.wait_seconds(self._failures - 1, self._shared.jitter))


class ShareThread(BackgroundThread):
    """A thread for a share; its first error ends the run."""

    def __init__(self, share: Share) -> None:
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
