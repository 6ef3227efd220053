"""SQS in memory: a double of :class:`celery_aws.aws.sqs.QueueService` for tests.

It behaves as AWS does, limits and refusals included, also where emulators are kinder. It runs
the same contract suite as the boto3 service. All time comes from its clock: with a
:class:`~celery_aws.testing.clock.FakeClock` a long poll lasts until a message is there or the
test moves the clock, and never costs real time.

A kombu connection or a Celery application uses it once it stands behind the transport, in the
process of the test::

    sqs = MemorySqs()
    monkeypatch.setattr(celery_aws.broker.Transport, "services", staticmethod(lambda access: sqs))

Not simulated: throttling (ask for it by :attr:`MemorySqs.faults`), the limit on messages in
flight, eventual consistency of counts, permissions.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from celery_aws.aws.errors import error_class
from celery_aws.aws.sqs import BatchFailure, SendFailure
from celery_aws.clock import Clock, SystemClock
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.errors import AwsError
from celery_aws.names import AccountId, QueueName, QueueUrl, ReceiptHandle
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_account import MemoryAccount
from celery_aws.testing.memory_faults import Faults
from celery_aws.testing.memory_queue import MemoryQueue, StoredMessage
from celery_aws.testing.memory_rules import (
    RefusedError,
    check_batch,
    check_receive,
    check_send_batch,
)

#: Real seconds for which :meth:`MemorySqs.wait_until` waits, unless told.
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request that the double was asked for, whether it succeeded or not."""

    operation: str
    #: Name or URL of the queue.
    resource: str
    #: Entries of a batch; 1 for other operations.
    entries: int = 1


class MemorySqs:
    """Queues in memory; thread-safe.

    Attributes:
        faults: what shall go wrong next.
        calls: every request so far, in order; a long poll is recorded when it begins.
        polls_under_way: receives that wait for a message now.
    """

    def __init__(self, clock: Clock | None = None, *, region: str = "us-east-1") -> None:
        self.faults = Faults()
        self.calls: list[Call] = []
        self.polls_under_way = 0
        self._clock = clock if clock is not None else SystemClock()
        #: When the monotonic clock began.
        self._epoch = self._clock.now() - timedelta(seconds=self._clock.monotonic())
        self._account = MemoryAccount(region)
        self._closed = False
        # Signalled by every request, and by a FakeClock that moves.
        self._changed = threading.Condition(threading.RLock())
        if isinstance(self._clock, FakeClock):
            self._clock.wakes(self._changed)

    # What a test asks.

    def wait_until(
        self, holds: Callable[[], bool], *, timeout_seconds: float = PATIENCE_SECONDS
    ) -> bool:
        """Block until ``holds()``, looked at after every request; False when the time is up.

        Args:
            holds: may look at the double; runs under its lock.
            timeout_seconds: real seconds, whatever the clock is.
        """
        with self._changed:
            return self._changed.wait_for(holds, timeout_seconds)

    def count(self, operation: str) -> int:
        """Return how many requests of ``operation`` there were."""
        with self._changed:
            return sum(call.operation == operation for call in self.calls)

    def messages(self, name: QueueName) -> list[StoredMessage]:
        """Return copies of a queue's messages, oldest first; empty if there is no such queue."""
        with self._changed:
            try:
                return [replace(each) for each in self._account.named(name).messages()]
            except RefusedError:
                return []

    def tags(self, name: QueueName) -> dict[str, str]:
        """Return the tags that a queue was created with."""
        with self._changed:
            return dict(self._account.named(name).tags)

    def close(self) -> None:
        """End every long poll, now and later, so that the threads behind them can end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # QueueService.

    def queue_url(self, name: QueueName, *, owner: AccountId | None = None) -> QueueUrl:
        """Return the URL of a queue; there is one account only."""
        with self._request("GetQueueUrl", name):
            return self._account.named(name, owner).url

    def create_queue(
        self, name: QueueName, attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> QueueUrl:
        """Create a queue, or find it if it has the same attributes."""
        with self._request("CreateQueue", name):
            return self._account.create(name, attributes, tags, self._clock.monotonic()).url

    def delete_queue(self, url: QueueUrl) -> None:
        """Delete a queue; its name is blocked for 60 s."""
        with self._request("DeleteQueue", url):
            self._account.delete(url, self._clock.monotonic())

    def purge_queue(self, url: QueueUrl) -> None:
        """Delete all messages of a queue."""
        with self._request("PurgeQueue", url):
            self._account.at(url).purge(self._clock.monotonic())

    def queue_attributes(self, url: QueueUrl, names: Sequence[str]) -> dict[str, str]:
        """Return attributes of a queue; ``All`` returns every one."""
        with self._request("GetQueueAttributes", url):
            queue = self._account.at(url)
            created = str(int(self.wall_time(queue.created_at).timestamp()))
            known = {
                **queue.attributes(self._clock.monotonic()),
                # There is nothing here that changes an attribute later.
                "CreatedTimestamp": created,
                "LastModifiedTimestamp": created,
            }
            return {key: known[key] for key in known if key in names or "All" in names}

    def send(self, url: QueueUrl, message: OutgoingMessage) -> str:
        """Send one message and return its id."""
        with self._request("SendMessage", url):
            return self._account.at(url).send(message, self._clock.monotonic())

    def send_batch(self, url: QueueUrl, messages: Sequence[OutgoingMessage]) -> list[SendFailure]:
        """Send up to 10 messages and return those refused."""
        with self._request("SendMessageBatch", url, len(messages)):
            check_send_batch(messages)
            return self._failures(
                "SendMessageBatch",
                url,
                len(messages),
                lambda queue, index: queue.send(messages[index], self._clock.monotonic()),
            )

    def receive(
        self,
        url: QueueUrl,
        *,
        max_messages: int,
        wait_seconds: int,
        visibility_timeout_seconds: int | None,
    ) -> list[ReceivedMessage]:
        """Long-poll for messages."""
        with self._request("ReceiveMessage", url):
            check_receive(max_messages, wait_seconds, visibility_timeout_seconds)
            ready = self._wait_for_messages(url, self._clock.monotonic() + wait_seconds)
            twice = self.faults.take_twice(min(max_messages, ready))
            received = self._account.at(url).receive(
                max_messages, visibility_timeout_seconds, self._clock.monotonic(), twice=twice
            )
            return [replace(message, sent_at=self.wall_time(at)) for message, at in received]

    def delete_batch(self, url: QueueUrl, handles: Sequence[ReceiptHandle]) -> list[BatchFailure]:
        """Delete up to 10 messages and return the entries refused."""
        return self._settle(
            "DeleteMessageBatch",
            url,
            handles,
            lambda queue, index: queue.delete(handles[index], self._clock.monotonic()),
        )

    def change_visibility_batch(
        self, url: QueueUrl, timeouts: Sequence[tuple[ReceiptHandle, int]]
    ) -> list[BatchFailure]:
        """Set the visibility timeout of up to 10 received messages."""
        return self._settle(
            "ChangeMessageVisibilityBatch",
            url,
            [handle for handle, _ in timeouts],
            lambda queue, index: queue.change_visibility(*timeouts[index], self._clock.monotonic()),
        )

    # What the doubles of other services on the same queues need.

    @contextmanager
    def account(self, operation: str, resource: str) -> Iterator[tuple[MemoryAccount, float]]:
        """Yield the queues under the lock, and the time, for one request."""
        with self._request(operation, resource):
            yield self._account, self._clock.monotonic()

    def wall_time(self, at: float) -> datetime:
        """Return the wall-clock time of a moment of the monotonic clock."""
        return self._epoch + timedelta(seconds=at)

    @contextmanager
    def _request(self, operation: str, resource: str, entries: int = 1) -> Iterator[None]:
        with self._changed:
            self.calls.append(Call(operation=operation, resource=resource, entries=entries))
            self._changed.notify_all()
            self.faults.before(operation)
            try:
                yield
            except RefusedError as refused:
                raise _error(operation, resource, refused) from None
            self._changed.notify_all()
            self.faults.after(operation)

    def _wait_for_messages(self, url: QueueUrl, deadline: float) -> int:
        self.polls_under_way += 1
        self._changed.notify_all()
        try:
            while True:
                queue, now = self._account.at(url), self._clock.monotonic()
                self._account.redrive(queue, now)
                ready = len(queue.receivable(now))
                if ready or now >= deadline or self._closed:
                    return ready
                self._wait(min(deadline, queue.next_visible_at(now) or deadline) - now)
        finally:
            self.polls_under_way -= 1
            self._changed.notify_all()

    def _wait(self, seconds: float) -> None:
        # A FakeClock signals when it moves; real time means nothing to it.
        self._changed.wait(None if isinstance(self._clock, FakeClock) else seconds)

    def _settle(
        self,
        operation: str,
        url: QueueUrl,
        handles: Sequence[ReceiptHandle],
        apply: Callable[[MemoryQueue, int], object],
    ) -> list[BatchFailure]:
        with self._request(operation, url, len(handles)):
            check_batch(handles)
            failures = self._failures(operation, url, len(handles), apply)
            return [
                BatchFailure(
                    receipt_handle=handles[failed.index],
                    error=failed.error,
                    sender_fault=failed.sender_fault,
                )
                for failed in failures
            ]

    def _failures(
        self,
        operation: str,
        url: QueueUrl,
        count: int,
        apply: Callable[[MemoryQueue, int], object],
    ) -> list[SendFailure]:
        """Apply each entry of a batch that is not refused by a fault; return what failed."""
        queue = self._account.at(url)
        asked_for = self.faults.refused_entries(operation)
        failures = []
        for index in range(count):
            if asked_for is not None and index < asked_for.entries:
                refused: RefusedError | None = RefusedError(asked_for.code, "a fault")
                sender_fault = asked_for.sender_fault
            else:
                refused, sender_fault = _refusal(apply, queue, index), True
            if refused is not None:
                error = _error(operation, url, refused)
                failures.append(SendFailure(index=index, error=error, sender_fault=sender_fault))
        return failures


def _refusal(
    apply: Callable[[MemoryQueue, int], object], queue: MemoryQueue, index: int
) -> RefusedError | None:
    try:
        apply(queue, index)
    except RefusedError as refused:
        return refused
    return None


def _error(operation: str, resource: str, refused: RefusedError) -> AwsError:
    cls = error_class(refused.code, service="sqs", message=str(refused))
    return cls(
        str(refused), service="sqs", operation=operation, code=refused.code, resource=resource
    )
