"""Collects published messages, sends them in batches, and knows what became of each.

What to send when is :class:`~celery_aws.core.publish_batch.PublishBatchState`'s decision. Requests
are made by a few threads (:mod:`celery_aws.broker.senders`) and by whoever publishes: when too much
waits, and when it has to know what became of all. So nothing depends on a thread that may not come.
"""

import logging
import math
import random
import threading
from collections.abc import Callable

from celery_aws.aws.sqs import SendFailure
from celery_aws.background import BackgroundThread
from celery_aws.broker.creation import NEW_QUEUE_PAUSES_SECONDS
from celery_aws.broker.outlets import Outlet
from celery_aws.broker.senders import MOST_SENDERS, Senders, process_senders
from celery_aws.clock import Clock
from celery_aws.core.backoff import Random
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.outgoing_entries import Entry, Failure, may_be_accepted
from celery_aws.core.publish_batch import Outcome, PublishBatchState, Request
from celery_aws.core.publish_retries import PublishRetries
from celery_aws.errors import (
    BatchPublishError,
    CeleryAwsError,
    InvalidRequestError,
    QueueNotFoundError,
    TemporaryError,
)
from celery_aws.limits import SQS_MESSAGE_BYTES

logger = logging.getLogger(__name__)

#: Messages, and bytes, that one batch holds at most before who publishes has to wait.
MOST_PENDING = 1_000
MOST_PENDING_BYTES = 16 * SQS_MESSAGE_BYTES

#: Seconds that a message may wait for others, in a batch that does not linger.
MOST_WAIT_SECONDS = 0.2


class PublishBatch:
    """What is published in one block; thread-safe.

    Args:
        retries: how often what SQS does not accept is sent again.
        clock: measures delays and rests.
        senders: threads that help; default: those of this process.
        jitter: spreads the waits.
        holds: nothing goes before :meth:`flush`.
        lingers: tells whether a message waits for as long as it takes until a request is full.
    """

    def __init__(
        self,
        retries: PublishRetries,
        clock: Clock,
        *,
        senders: Senders | None = None,
        jitter: Random = random.random,
        holds: bool = False,
        lingers: Callable[[], bool] = lambda: True,
    ) -> None:
        self._clock = clock
        self._senders = senders
        self._holds = holds
        self._lingers = lingers
        self._courier: _Courier | None = None
        self._state: PublishBatchState[Outlet] = PublishBatchState(retries, jitter)
        #: Requests under way, and threads that were asked to help.
        self._under_way = 0
        self._helpers = 0
        #: True while somebody waits for all: what is not full goes too.
        self._flushing = False
        self._ended = False
        #: Pauses that queues were given which were not found, and when the last one ends.
        self._pauses: dict[Outlet, tuple[int, float]] = {}
        self._changed = threading.Condition()

    @property
    def pending(self) -> int:
        """How many messages are not with SQS yet."""
        return self._state.pending

    def add(self, outlet: Outlet, task_id: str, message: OutgoingMessage) -> None:
        """Let a message go with others; waits while too many of them are on their way.

        Raises:
            BatchPublishError: the batch has ended meanwhile, and this was not accepted.

        Costs a tenth of a SendMessageBatch, or more of one for a large message.
        """
        entry = Entry(
            task_id=task_id,
            message=message,
            size_bytes=message.size_bytes,
            added_at=self._clock.monotonic(),
        )
        with self._changed:
            full = self._state.add(outlet, entry, fifo=outlet.fifo)
            too_many, ended = self._too_many(), self._ended
        if ended:
            # Nobody else will: another thread began to publish this before the block's end.
            self.flush()
        if self._holds or ended:
            return
        if self._courier is None and not self._lingers():
            self._start_courier()
        if full:
            self._call_helpers()
        if too_many:
            self._send_until(lambda: not self._too_many(), partial=False)

    def flush(self) -> None:
        """Send all of it, and wait until that is done.

        Raises:
            BatchPublishError: some of it was not accepted; told once.

        Costs one SendMessageBatch for each ten messages of a queue, and what is left over.
        """
        self._flushing = True
        try:
            # One is sent here: a small group needs no thread.
            self._call_helpers(but=1)
            self._send_until(lambda: not self._state.pending, partial=True)
        except BaseException:
            # Whoever waited is interrupted; what was published goes all the same, if it can.
            self._threads().run(self._finish_unwatched)
            raise
        self._flushing = False
        self._raise_failures()

    def end(self) -> None:
        """Do the same for the last time; what is added from now on goes at once.

        Raises:
            BatchPublishError: some of it was not accepted; told once.

        Costs what :meth:`flush` does.
        """
        with self._changed:
            self._ended = True
            # The courier ends too.
            self._changed.notify_all()
        self.flush()

    def discard(self) -> None:
        """Forget what has not been sent yet."""
        with self._changed:
            self._state.discard()

    def send_overdue(self) -> None:
        """Send what waits for too long for others, until the batch ends."""
        while not self._ended:
            with self._changed:
                now = self._clock.monotonic()
                request = self._take_locked(
                    now, partial=False, overdue_since=now - MOST_WAIT_SECONDS
                )
                if request is None and not self._ended:
                    self._clock.wait(self._changed, MOST_WAIT_SECONDS / 2)
            if request is not None:
                self._send(request)

    def _start_courier(self) -> None:
        self._courier = _Courier(self)
        try:
            self._courier.start()
        except RuntimeError:
            logger.debug("no thread: what was published waits for the end of its group")

    def _finish_unwatched(self) -> None:
        try:
            self._send_until(lambda: not self._state.pending, partial=True)
            self._raise_failures()
        except BatchPublishError as error:
            logger.error(  # noqa: TRY400 - it says enough
                "a batch whose publisher was interrupted: %s. Not sent: %s; unknown: %s",
                error,
                error.not_sent,
                error.unknown,
            )

    def _threads(self) -> Senders:
        return self._senders or process_senders()

    def _too_many(self) -> bool:
        state = self._state
        return state.pending >= MOST_PENDING or state.pending_bytes >= MOST_PENDING_BYTES

    def _raise_failures(self) -> None:
        with self._changed:
            outcome = self._state.outcome()
        self._drop_given_up()
        if outcome.errors:
            raise _error_of(outcome) from next(iter(outcome.errors.values()))

    def _drop_given_up(self) -> None:
        with self._changed:
            given_up = list(self._state.given_up())
        for outlet, entry in given_up:
            outlet.drop(entry.message)

    def _call_helpers(self, *, but: int = 0) -> None:
        """Ask threads to send what may go, but for so many requests."""
        with self._changed:
            ready = self._state.ready(self._clock.monotonic(), partial=self._flushing)
            count = min(ready - but, MOST_SENDERS) - self._helpers
            self._helpers += max(0, count)
        if count > 0:
            for _ in range(count):
                self._threads().run(self._help)

    def _help(self) -> None:
        try:
            while (request := self._take(partial=self._flushing)) is not None:
                self._send(request)
        finally:
            with self._changed:
                self._helpers -= 1
                self._changed.notify_all()

    def _send_until(self, done: Callable[[], bool], *, partial: bool) -> None:
        """Send, and wait for others that send, until ``done()``, which runs under the lock."""
        while True:
            with self._changed:
                if done():
                    return
                now = self._clock.monotonic()
                request = self._take_locked(now, partial=partial)
                rest_seconds = self._state.rest_seconds(now, partial=partial)
                if request is None and self._under_way:
                    self._wait(rest_seconds)
                    continue
            if request is not None:
                self._send(request)
            elif rest_seconds is not None:
                self._clock.sleep(rest_seconds)
            elif not partial:
                # Many queues, and none of them has a full request.
                partial = True
            else:
                raise RuntimeError(f"{self._state.pending} messages of a batch are nowhere")

    def _wait(self, rest_seconds: float | None) -> None:
        if rest_seconds is None:
            self._changed.wait()
        else:
            self._clock.wait(self._changed, rest_seconds)

    def _take(self, *, partial: bool) -> Request[Outlet] | None:
        with self._changed:
            return self._take_locked(self._clock.monotonic(), partial=partial)

    def _take_locked(
        self, now: float, *, partial: bool, overdue_since: float = -math.inf
    ) -> Request[Outlet] | None:
        request = self._state.take(now, partial=partial, overdue_since=overdue_since)
        if request is not None:
            self._under_way += 1
        return request

    def _send(self, request: Request[Outlet]) -> None:
        note: Callable[[float], None] = self._interrupted(request)
        try:
            note = self._sent(request)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()
                note(self._clock.monotonic())
            self._drop_given_up()

    def _interrupted(self, request: Request[Outlet]) -> Callable[[float], None]:
        error = CeleryAwsError("the request was interrupted, its answer is not known")
        failure = Failure(error=error, again=False, maybe_sent=True)
        return lambda now: self._state.settle(request, [failure] * len(request.entries), now)

    def _sent(self, request: Request[Outlet]) -> Callable[[float], None]:
        """Make the request, and return how to note what came of it."""
        state, asked_at = self._state, self._clock.monotonic()
        try:
            failures = self._ask(request)
        except QueueNotFoundError as error:
            not_found = error
            return lambda now: self._not_found(request, not_found, asked_at, now)
        except TemporaryError as error:
            failed, maybe_sent = error, may_be_accepted(error)
            return lambda now: state.fail(request, failed, now, maybe_sent=maybe_sent)
        except CeleryAwsError as error:
            refused = error
            return lambda _: state.close(request, refused, maybe_sent=False)
        except Exception as error:
            if threading.current_thread() is threading.main_thread():
                raise  # a signal handler's, such as SoftTimeLimitExceeded
            logger.exception("queue %s: a batch could not be sent", request.lane.name)
            broken = error
            return lambda _: state.close(request, broken, maybe_sent=True)
        self._pauses.pop(request.lane, None)
        return lambda now: state.settle(request, failures, now)

    def _ask(self, request: Request[Outlet]) -> list[Failure | None]:
        now = self._clock.monotonic()
        messages = [entry.outgoing(now) for entry in request.entries]
        try:
            refused = request.lane.send_batch(messages)
        except InvalidRequestError:
            # It does not say which of them is wrong.
            return [self._ask_alone(request.lane, entry) for entry in request.entries]
        failures: list[Failure | None] = [None] * len(request.entries)
        for each in refused:
            failures[each.index] = self._failure(request.lane, request.entries[each.index], each)
        return failures

    def _failure(self, outlet: Outlet, entry: Entry, refused: SendFailure) -> Failure | None:
        if refused.sender_fault:
            return self._ask_alone(outlet, entry)
        maybe_sent = may_be_accepted(refused.error)
        return Failure(error=refused.error, again=True, maybe_sent=maybe_sent)

    def _ask_alone(self, outlet: Outlet, entry: Entry) -> Failure | None:
        """Send an entry that is refused in a batch; it may go through S3 as its queue is small."""
        try:
            outlet.send_alone(entry.message)
        except CeleryAwsError as error:
            again = isinstance(error, TemporaryError | QueueNotFoundError)
            return Failure(error=error, again=again, maybe_sent=may_be_accepted(error))
        return None

    def _not_found(
        self, request: Request[Outlet], error: QueueNotFoundError, asked_at: float, now: float
    ) -> None:
        """Look again after a pause: the queue may be new, or was deleted and is made again."""
        pauses, ends_at = self._pauses.get(request.lane, (0, 0.0))
        # Several requests may be under way when the first of them does not find it.
        if asked_at >= ends_at:
            if pauses == len(NEW_QUEUE_PAUSES_SECONDS):
                del self._pauses[request.lane]
                self._state.close(request, error, maybe_sent=False)
                return
            ends_at = now + NEW_QUEUE_PAUSES_SECONDS[pauses]
            self._pauses[request.lane] = (pauses + 1, ends_at)
        rest_seconds = max(0.0, ends_at - now)
        self._state.fail(request, error, now, maybe_sent=False, rest_seconds=rest_seconds)


class _Courier(BackgroundThread):
    """Lets no message of a generator wait for the next one."""

    def __init__(self, batch: PublishBatch) -> None:
        super().__init__("celery-aws-courier")
        self._batch = batch

    def run(self) -> None:
        self._batch.send_overdue()


def _error_of(outcome: Outcome) -> BatchPublishError:
    # An id may be that of two messages: a task for two queues that are bound to one exchange.
    unknown = dict.fromkeys(outcome.unknown)
    return BatchPublishError(
        sent=[each for each in outcome.sent if each not in outcome.errors],
        not_sent=[each for each in dict.fromkeys(outcome.not_sent) if each not in unknown],
        unknown=list(unknown),
        errors=outcome.errors,
    )
