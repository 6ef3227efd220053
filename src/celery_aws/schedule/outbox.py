"""The last step of a parked task: sends it to its queue, and then removes its entry.

It asks SQS and the schedule and knows nothing of leaders; who calls it says before each batch
whether to go on. What cannot be sent is left in the schedule, and tried again: soon, if AWS may
answer otherwise soon, else after :data:`REST_SECONDS`. One queue, or one message, does not keep
the others waiting.
"""

import logging
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from celery_aws.aws.sqs import QueueService, SendFailure
from celery_aws.clock import Clock
from celery_aws.core.attributes import Item, text_of
from celery_aws.core.backoff import Backoff, Random, is_worth_logging
from celery_aws.core.batching import batches_by_size
from celery_aws.core.delay_plan import delay_for
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_messages import mark_again
from celery_aws.core.queue_names import is_fifo
from celery_aws.core.schedule import ScheduledTask
from celery_aws.core.scheduled_items import QUEUE_URL, TASK_ID, send_after_of
from celery_aws.core.table_keys import SORT
from celery_aws.errors import (
    AwsError,
    CeleryAwsError,
    InvalidRequestError,
    QueueNotFoundError,
    TemporaryError,
)
from celery_aws.limits import SQS_MESSAGE_BYTES
from celery_aws.names import AmqpQueue, QueueUrl
from celery_aws.table.schedule import Schedule

logger = logging.getLogger(__name__)

#: For how long is left alone what AWS has refused for good: a queue, or one message.
REST_SECONDS = 600.0

#: For how long is left alone a queue that gave no answer, or asked for fewer requests.
_PAUSES = Backoff(base_seconds=1.0, cap_seconds=30.0)

#: Messages that are in memory at once: so many, or what these bytes hold and one more.
_CHUNK = 100
_CHUNK_BYTES = 4 * SQS_MESSAGE_BYTES


class Destinations(Protocol):
    """Where the queues of parked tasks are now."""

    def destination(self, queue: AmqpQueue, url: QueueUrl) -> tuple[QueueService, QueueUrl]:
        """Return who sends to a queue that had this URL when a task was parked for it."""

    def destination_lost(self, queue: AmqpQueue) -> tuple[QueueService, QueueUrl]:
        """Return the same after SQS said that there is no such queue; it may be created."""


@dataclass(frozen=True, kw_only=True)
class _Due:
    """An entry, and what it says."""

    entry: Item
    task: ScheduledTask
    message: OutgoingMessage


class Outbox:
    """Sends parked tasks; threads may share it, as long as no two are given the same entry.

    Args:
        schedule: where the entries are removed.
        destinations: where they go.
        clock: says what is left until their eta.
        jitter: random numbers for pauses after failures.
    """

    def __init__(
        self,
        schedule: Schedule,
        destinations: Destinations,
        clock: Clock,
        *,
        jitter: Random = random.random,
    ) -> None:
        self._schedule = schedule
        self._destinations = destinations
        self._clock = clock
        self._jitter = jitter
        #: Sort keys of entries whose message SQS has, but which could not be removed yet.
        self._sent: set[str] = set()
        #: Sort keys of entries whose message SQS may have: no answer came.
        self._uncertain: set[str] = set()
        #: What is left alone, and until when: URLs of queues, sort keys of entries.
        self._resting: dict[str, float] = {}
        #: How often in a row a queue gave no answer, by its URL.
        self._failures: dict[str, int] = {}

    @property
    def settled(self) -> bool:
        """True if nothing is in the schedule that this one has sent, or may have sent."""
        return not self._sent and not self._uncertain

    def rests(self, entry: Item) -> bool:
        """Tell whether an entry, or its queue, was refused: what is late for that is no backlog."""
        return _key(entry) in self._resting or text_of(entry, QUEUE_URL) in self._resting

    def rest_seconds(self, entry: Item) -> float:
        """Return for how long an entry will not be sent whatever happens; 0 if it may be now."""
        keys = (_key(entry), text_of(entry, QUEUE_URL) or "")
        until = max(self._resting.get(key, 0.0) for key in keys)
        return max(0.0, until - self._clock.monotonic())

    def send(
        self,
        entries: Iterable[Item],
        *,
        go_on: Callable[[], bool],
        again_before: datetime | None = None,
    ) -> int:
        """Send what may go, and remove it.

        Args:
            entries: of the schedule, and due.
            go_on: is asked before each batch; False ends it.
            again_before: entries that could go by then may have been sent by another mover.

        Returns:
            How many were sent.

        Raises:
            AwsError: the table refused or did not answer; what is left is tried again later. What
                SQS does is only logged.

        Costs one SendMessageBatch and one BatchWriteItem for each ten of a queue.
        """
        count = 0
        for chunk in _chunks(self._read(entries, again_before)):
            for (queue, url), due in _by_queue(chunk).items():
                for batch in batches_by_size(due, lambda each: each.message.size_bytes):
                    if not go_on():
                        return count
                    count += self._send_batch(queue, url, batch)
        return count

    def _read(self, entries: Iterable[Item], again_before: datetime | None) -> Iterator[_Due]:
        over = []
        for entry in entries:
            key = _key(entry)
            if key in self._sent:
                over.append(entry)
            elif not self._rests(key):
                task = self._task_of(entry)
                if task is not None:
                    again = again_before is not None and send_after_of(entry) <= again_before
                    again = again or key in self._uncertain
                    message = mark_again(task.message) if again else task.message
                    yield _Due(entry=entry, task=task, message=message)
        self._remove(over)

    def _task_of(self, entry: Item) -> ScheduledTask | None:
        try:
            task = self._schedule.task_of(entry)
        except ValueError as error:
            logger.error("a parked task cannot be read and is left where it is: %s", error)  # noqa: TRY400
            self._rest(_key(entry))
            return None
        if task is None:
            # Parts go after their task was sent, or long after it was due.
            logger.warning(
                "the message of parked task %s is gone: it was sent before; its entry is removed",
                text_of(entry, TASK_ID),
            )
            self._remove([entry])
        return task

    def _send_batch(self, queue: AmqpQueue, url: QueueUrl, batch: Sequence[_Due]) -> int:
        if self._rests(url):
            return 0
        try:
            failures = self._ask(queue, url, batch)
        except TemporaryError as error:
            self._uncertain.update(_key(each.entry) for each in batch)
            self._pause(queue, url, error)
            return 0
        except InvalidRequestError as error:
            if len(batch) > 1:
                # It does not say which of them is wrong.
                return sum(self._send_batch(queue, url, [each]) for each in batch)
            failures = [SendFailure(index=0, error=error, sender_fault=True)]
        except CeleryAwsError as error:
            logger.error(  # noqa: TRY400
                "queue %s: parked tasks cannot be sent to it and wait for another %.0f s: %s",
                queue,
                REST_SECONDS,
                error,
            )
            self._rest(url)
            return 0
        self._failures.pop(url, None)
        failed = {failure.index for failure in failures}
        for failure in failures:
            self._failed(batch[failure.index], failure)
        accepted = [each.entry for index, each in enumerate(batch) if index not in failed]
        self._sent.update(map(_key, accepted))
        self._remove(accepted)
        return len(accepted)

    def _ask(self, queue: AmqpQueue, url: QueueUrl, batch: Sequence[_Due]) -> list[SendFailure]:
        messages = [self._outgoing(each) for each in batch]
        service, now_at = self._destinations.destination(queue, url)
        try:
            return service.send_batch(now_at, messages)
        except QueueNotFoundError:
            service, now_at = self._destinations.destination_lost(queue)
        try:
            return service.send_batch(now_at, messages)
        except QueueNotFoundError as error:
            # It was created a moment ago, and is not there yet.
            return [
                SendFailure(index=index, error=error, sender_fault=False)
                for index in range(len(messages))
            ]

    def _outgoing(self, due: _Due) -> OutgoingMessage:
        if is_fifo(due.task.queue_url):
            return due.message
        longest = round((due.task.due - due.task.send_after).total_seconds())
        delay = delay_for(due.task.due, self._clock.now(), max_delay_seconds=longest)
        # Not None, which would be the queue's own delay: the eta is over.
        return replace(due.message, delay_seconds=delay or 0)

    def _failed(self, due: _Due, failure: SendFailure) -> None:
        key = _key(due.entry)
        if failure.sender_fault:
            logger.error(
                "queue %s: SQS refuses the parked task %s[%s], which is left where it is: %s",
                due.task.queue,
                due.task.task,
                due.task.task_id,
                failure.error,
            )
            self._rest(key)
        else:
            self._uncertain.add(key)

    def _remove(self, entries: Sequence[Item]) -> None:
        if not entries:
            return
        self._schedule.remove(entries)
        keys = set(map(_key, entries))
        self._sent -= keys
        self._uncertain -= keys

    def _pause(self, queue: AmqpQueue, url: QueueUrl, error: AwsError) -> None:
        failures = self._failures[url] = self._failures.get(url, 0) + 1
        if is_worth_logging(failures):
            logger.warning(
                "queue %s: parked tasks cannot be sent to it now; trying again (failure %s in a "
                "row): %s",
                queue,
                failures,
                error,
            )
        self._rest(url, _PAUSES.wait_seconds(failures - 1, self._jitter))

    def _rest(self, key: str, seconds: float = REST_SECONDS) -> None:
        self._resting[key] = self._clock.monotonic() + seconds

    def _rests(self, key: str) -> bool:
        until = self._resting.get(key)
        if until is not None and until <= self._clock.monotonic():
            self._resting.pop(key, None)  # another thread may have been faster
            return False
        return until is not None


def _by_queue(due: Iterable[_Due]) -> dict[tuple[AmqpQueue, QueueUrl], list[_Due]]:
    grouped: dict[tuple[AmqpQueue, QueueUrl], list[_Due]] = {}
    for each in due:
        grouped.setdefault((each.task.queue, each.task.queue_url), []).append(each)
    return grouped


def _chunks(due: Iterable[_Due]) -> Iterator[list[_Due]]:
    chunk: list[_Due] = []
    size_bytes = 0
    for each in due:
        chunk.append(each)
        size_bytes += each.message.size_bytes
        if len(chunk) == _CHUNK or size_bytes >= _CHUNK_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
    if chunk:
        yield chunk


def _key(entry: Item) -> str:
    return text_of(entry, SORT) or ""
