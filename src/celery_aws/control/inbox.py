"""The inbox of a process as it is on AWS: its registry item, its queue, what is bound to it.

The registry item is written first and removed last, and names the rest before that is there, so
that a reaper finds what a killed process leaves (:mod:`celery_aws.broker.reaper`). For one thread:
the one of :mod:`celery_aws.control.inbox_keeper`.
"""

import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from kombu.utils.uuid import uuid, uuid4

from celery_aws.clock import Clock
from celery_aws.control.inbox_queue import InboxQueue
from celery_aws.control.inbox_receiver import InboxReceiver
from celery_aws.control.transient_queues import TransientQueue
from celery_aws.core.binding_items import sort_key_of
from celery_aws.core.inbox_items import InboxRecord
from celery_aws.core.routing import Binding, ExchangeKind
from celery_aws.names import InboxId, QueueUrl
from celery_aws.table.bindings import Bindings
from celery_aws.table.inboxes import Inboxes

#: Seconds for which binding the first queue waits for the inbox's first poll: SQS needs about one
#: until a queue that was just created can be used.
FIRST_ANSWER_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class WantedBinding:
    """What shall be bound, whatever inbox this process has by then."""

    exchange: str
    kind: ExchangeKind
    queue: TransientQueue
    routing_key: str

    def of(self, inbox: InboxId, url: QueueUrl) -> Binding:
        """Return the binding, for the inbox that there is."""
        return Binding(
            exchange=self.exchange,
            kind=self.kind,
            queue=self.queue.name,
            routing_key=self.routing_key,
            inbox=inbox,
            inbox_url=url,
            token=self.queue.token,
        )


class Inbox:
    """One inbox; constructed, nothing of it is on AWS yet.

    Args:
        queue: makes and removes its SQS queue.
        receiver: makes the thread that receives from it.
        inboxes: the registry.
        bindings: where bindings are written.
        lease_seconds: after how long without a renewal it is nobody's; it is renewed twice as
            often.
        clock: measures ages.

    Attributes:
        id: which one it is.
        changed: exchanges whose bindings were changed, for others to be told.
    """

    def __init__(
        self,
        *,
        queue: InboxQueue,
        receiver: Callable[[QueueUrl], InboxReceiver],
        inboxes: Inboxes,
        bindings: Bindings,
        lease_seconds: float,
        clock: Clock,
    ) -> None:
        self.id = InboxId(uuid4().hex)
        self.changed: set[str] = set()
        self._queue = queue
        self._new_receiver = receiver
        self._inboxes = inboxes
        self._bindings = bindings
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._record = InboxRecord(
            inbox=self.id,
            url=QueueUrl(""),
            owner=f"{socket.gethostname()}:{os.getpid()}",
            version="",
            duration_seconds=lease_seconds,
        )
        self._renewed_at = float("-inf")
        #: What is in the table, by sort key; and which of that may be there in another form.
        self._written: dict[str, Binding] = {}
        self._unsure: set[str] = set()
        self._receiver: InboxReceiver | None = None

    @property
    def url(self) -> QueueUrl:
        """Where its queue is; empty while that is not known."""
        return self._record.url

    @property
    def hears(self) -> bool:
        """True once what is sent to it arrives."""
        receiver = self._receiver
        return receiver is not None and receiver.has_polled

    @property
    def renewal_at(self) -> float:
        """When it has to be renewed, by the clock's ``monotonic``."""
        return self._renewed_at + self._lease_seconds / 2

    def hold(self, wanted: Iterable[WantedBinding]) -> None:
        """Bind what is wanted and nothing else; renew it if it is time to.

        Raises:
            AwsError: AWS refused; what is left to do is done by the next call.

        Costs nothing if all is as it is wanted; else one PutItem for a renewal or for new bindings
        together, one for each of these, and one BatchWriteItem for the old ones. The first call
        one PutItem and one CreateQueue more.
        """
        now = self._clock.monotonic()
        if now >= self._renewed_at + self._lease_seconds:
            # Somebody may have begun to remove it.
            self._unsure.update(self._written)
        if not self.url:
            self._open(now)
        bindings = {
            sort_key_of(binding): binding
            for binding in (each.of(self.id, self.url) for each in wanted)
        }
        new = {key: each for key, each in bindings.items() if not self._is_written(key, each)}
        if new or now >= self.renewal_at:
            self._register(now, {*self._written, *new})
        receiver = self._receive()
        if new:
            # SQS does not know a new queue everywhere at once: who sends to it would find none.
            receiver.wait_until_polled(FIRST_ANSWER_SECONDS)
        for key, binding in new.items():
            self._bind(key, binding)
        self._unbind([key for key in self._written if key not in bindings])

    def remove(self) -> None:
        """Remove it with all that belongs to it.

        Raises:
            AwsError: AWS refused; what is left is a reaper's.

        Costs one BatchWriteItem, one DeleteQueue and one DeleteItem.
        """
        if self._receiver is not None:
            self._receiver.stop(0)
        self._unbind(list(self._written))
        self._queue.delete(self.id, self.url)
        self._inboxes.remove(self.id)

    def _open(self, now: float) -> None:
        if now >= self.renewal_at:
            # First: nobody would ever find the queue of a process that is killed in between.
            self._register(now, ())
        # By the same name each time: a queue may have been made although no answer came.
        self._record = replace(self._record, url=self._queue.create(self.id))

    def _register(self, now: float, keys: Iterable[str]) -> None:
        record = replace(self._record, version=uuid(), bindings=tuple(sorted(keys)))
        self._inboxes.put(record)
        self._record, self._renewed_at = record, now

    def _receive(self) -> InboxReceiver:
        if self._receiver is None:
            self._receiver = self._new_receiver(self.url)
        # Each time: it does nothing to one that runs.
        self._receiver.start()
        return self._receiver

    def _is_written(self, key: str, binding: Binding) -> bool:
        return self._written.get(key) == binding and key not in self._unsure

    def _bind(self, key: str, binding: Binding) -> None:
        # Before it is written, which may happen though it seems to fail.
        self.changed.add(binding.exchange)
        self._written[key] = binding
        self._unsure.add(key)
        self._bindings.put(binding)
        self._unsure.discard(key)

    def _unbind(self, keys: Iterable[str]) -> None:
        gone = {key: self._written[key] for key in keys}
        self.changed.update(each.exchange for each in gone.values())
        self._bindings.remove(gone)
        for key in gone:
            del self._written[key]
            self._unsure.discard(key)
