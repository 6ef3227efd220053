"""What one receiver does, and when SQS last answered it, for whoever watches.

Its thread writes and any other reads, without a lock: who watches must not wait for whom it
watches. Texts of errors are left out, because they name resources and are for the log.
"""

from dataclasses import dataclass
from typing import Literal

from celery_aws.clock import Clock
from celery_aws.errors import AwsError, TemporaryError
from celery_aws.names import AmqpQueue

#: ``waiting`` is for a free credit: the worker has as much work as it may hold.
Doing = Literal["starting", "waiting", "polling", "resting", "ended"]


@dataclass(frozen=True, kw_only=True)
class ReceiverStatus:
    """One receiver at one moment.

    Attributes:
        queue: Celery's name of the queue.
        doing: what its thread is at; ``ended`` is by a bug, and Celery connects anew.
        answered: SQS has answered a poll of it, or of a queue that comes before it.
        unanswered_seconds: since the last answer; before the first, since the receiver was made.
        failing_seconds: since the first of the polls that fail now; None if the last one did not.
        error: class of the last of these failures, or None.
        temporary: that failure may pass by itself: AWS, the network, expired credentials.
        pause_seconds: longest time between two answers if nothing is wrong and there is a credit.
    """

    queue: AmqpQueue
    doing: Doing
    answered: bool
    unanswered_seconds: float
    failing_seconds: float | None = None
    error: str | None = None
    temporary: bool = False
    pause_seconds: float


class PollRecord:
    """What one receiver has to tell.

    Args:
        queue: Celery's name of the queue.
        clock: measures.
        pause_seconds: see :class:`ReceiverStatus`.
    """

    def __init__(self, queue: AmqpQueue, clock: Clock, *, pause_seconds: float) -> None:
        self.doing: Doing = "starting"
        self._queue = queue
        self._clock = clock
        self._pause_seconds = pause_seconds
        self._answered = False
        self._answered_at = clock.monotonic()
        #: Since when, and with what last.
        self._failure: tuple[float, AwsError] | None = None

    def answered(self) -> None:
        """Note an answer, messages or none."""
        self._answered_at = self._clock.monotonic()
        self._answered = True

    def succeeded(self) -> None:
        """Note that the last poll did not fail."""
        self._failure = None

    def failed(self, error: AwsError) -> None:
        """Note that the last poll failed."""
        since = self._clock.monotonic() if self._failure is None else self._failure[0]
        self._failure = since, error

    def status(self) -> ReceiverStatus:
        """Return what is known now."""
        now, failure = self._clock.monotonic(), self._failure
        return ReceiverStatus(
            queue=self._queue,
            doing=self.doing,
            answered=self._answered,
            unanswered_seconds=now - self._answered_at,
            failing_seconds=None if failure is None else now - failure[0],
            error=None if failure is None else type(failure[1]).__name__,
            temporary=failure is not None and isinstance(failure[1], TemporaryError),
            pause_seconds=self._pause_seconds,
        )
