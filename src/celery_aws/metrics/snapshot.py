"""What a source told a moment ago, for whoever must not wait for it.

Pages are made in threads of the operating system (:mod:`celery_aws.health.http`), which must not
wait for locks that are greenlets' under gevent and eventlet; sources take such locks. So a thread
asks them every few seconds, and pages show what it was told.
"""

import logging
import threading
from collections.abc import Iterable
from typing import Final

from celery_aws.background import BackgroundThread
from celery_aws.clock import Clock, SystemClock
from celery_aws.metrics.samples import Sample, Source

logger = logging.getLogger(__name__)

#: How old a snapshot gets. Scrapes are 15 s apart, and more.
SNAPSHOT_SECONDS: Final = 5.0

_CLOCK: Final = SystemClock()


class Snapshot(BackgroundThread):
    """A source that asks another every few seconds. Costs no request.

    Args:
        source: the other.
        every_seconds: how often.
        clock: measures it.
    """

    def __init__(
        self, source: Source, *, every_seconds: float = SNAPSHOT_SECONDS, clock: Clock = _CLOCK
    ) -> None:
        super().__init__("celery-aws-metrics")
        self._source = source
        self._every_seconds = every_seconds
        self._clock = clock
        self._samples: tuple[Sample, ...] = ()
        self._changed = threading.Condition()

    def samples(self) -> Iterable[Sample]:
        """Return what the source told last, or nothing if it was not asked yet; never waits."""
        return self._samples

    def take(self) -> None:
        """Ask the source now."""
        self._samples = tuple(self._source.samples())

    def run(self) -> None:
        """Ask, again and again, until stopped."""
        while not self.stopping:
            try:
                self.take()
            except Exception:
                # Rather nothing than what was true once.
                self._samples = ()
                logger.critical("metrics are not to be had, by a bug in celery-aws", exc_info=True)
            with self._changed:
                if not self.stopping:
                    self._clock.wait(self._changed, self._every_seconds)

    def wake(self) -> None:
        """End a pause."""
        with self._changed:
            self._changed.notify_all()
