"""Looks at what has to be asked of AWS, each thing at its own interval, in one thread.

So what is asked does not depend on how often somebody scrapes, nor on how many do.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from celery_aws.background import BackgroundThread
from celery_aws.clock import Clock
from celery_aws.core.backoff import is_worth_logging
from celery_aws.metrics import catalog
from celery_aws.metrics.samples import Sample

logger = logging.getLogger(__name__)

#: After so many of its intervals without a look that succeeded, what was seen is not told any more.
STALE_INTERVALS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look saw.

    Attributes:
        samples: of it.
        rest_seconds: how long the next one has to wait at least, whatever the interval is.
        failure: why a part of it could not be looked at; the first of several.
    """

    samples: tuple[Sample, ...]
    rest_seconds: float = 0.0
    failure: Exception | None = None


@dataclass(frozen=True, kw_only=True)
class Round:
    """Something to look at again and again.

    Attributes:
        what: its name, for the log and for labels.
        every_seconds: how often.
        look: does it; what it raises counts as a failure.
    """

    what: str
    every_seconds: float
    look: Callable[[], Look]


class _Kept:
    """A round, and what it saw last."""

    def __init__(self, each: Round) -> None:
        self.round = each
        self.due_at = float("-inf")
        self.looked_at: float | None = None
        self.wall_time = 0.0
        self.samples: tuple[Sample, ...] = ()
        self.failures_in_a_row = 0
        self.failures = 0
        self.failure: Exception | None = None
        self.interval_seconds = each.every_seconds

    def note(self, failure: Exception | None) -> None:
        self.failure = failure
        self.failures_in_a_row = 0 if failure is None else self.failures_in_a_row + 1
        self.failures += failure is not None
        if failure is not None and is_worth_logging(self.failures_in_a_row):
            logger.warning("%s cannot be looked at now: %s", self.round.what, failure)

    def told(self, now: float) -> tuple[Sample, ...]:
        if self.looked_at is None:
            return ()
        return self.samples if now - self.looked_at <= self._stale_seconds else ()

    @property
    def _stale_seconds(self) -> float:
        return STALE_INTERVALS * self.interval_seconds


class Reader(BackgroundThread):
    """A :class:`~celery_aws.metrics.samples.Source` of what its rounds saw last.

    Args:
        rounds: what to look at.
        clock: says when.
    """

    def __init__(self, rounds: Sequence[Round], clock: Clock) -> None:
        super().__init__("celery-aws-exporter-reader")
        self._kept = [_Kept(each) for each in rounds]
        self._clock = clock
        self._changed = threading.Condition()

    def samples(self) -> Iterable[Sample]:
        """Return what was seen last. Costs no request."""
        now = self._clock.monotonic()
        for kept in self._kept:
            yield from kept.told(now)
            yield Sample(catalog.READS_FAILED, (kept.round.what,), float(kept.failures))
            if kept.looked_at is not None:
                yield Sample(catalog.LAST_READ, (kept.round.what,), kept.wall_time)

    def failures(self) -> list[Exception]:
        """Return why some of the last looks failed, or parts of them."""
        return [kept.failure for kept in self._kept if kept.failure is not None]

    def turn(self) -> float:
        """Look at what is due; return the seconds until something is again.

        Costs what the rounds cost that are due.
        """
        for kept in self._kept:
            if not self.stopping and kept.due_at <= self._clock.monotonic():
                self._look(kept)
        due_at = min((kept.due_at for kept in self._kept), default=float("inf"))
        return max(0.0, due_at - self._clock.monotonic())

    def run(self) -> None:
        """Take turns until stopped."""
        while not self.stopping and self._kept:
            seconds = self.turn()
            with self._changed:
                if not self.stopping:
                    self._clock.wait(self._changed, seconds)

    def wake(self) -> None:
        """End a pause."""
        with self._changed:
            self._changed.notify_all()

    def _look(self, kept: _Kept) -> None:
        began = self._clock.monotonic()
        rest_seconds = 0.0
        try:
            look = kept.round.look()
            kept.samples, rest_seconds = look.samples, look.rest_seconds
            kept.looked_at = self._clock.monotonic()
            kept.wall_time = self._clock.now().timestamp()
            kept.note(look.failure)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other rounds go on
            kept.note(error)
        kept.interval_seconds = max(kept.round.every_seconds, rest_seconds)
        kept.due_at = began + kept.interval_seconds
