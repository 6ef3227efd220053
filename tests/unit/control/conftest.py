"""A deployment in memory, and processes in it that a test takes turns for."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Any, cast

import pytest

from celery_aws.aws.dynamodb import TableService
from celery_aws.aws.sqs import QueueService
from celery_aws.clock import Clock
from celery_aws.control.control_plane import ControlOptions, ControlPlane
from celery_aws.control.inbox import Inbox
from celery_aws.control.inbox_keeper import InboxKeeper
from celery_aws.control.inbox_queue import InboxQueue
from celery_aws.control.inbox_receiver import InboxReceiver
from celery_aws.control.transient_queues import Message, TransientQueue, TransientQueues
from celery_aws.core.parcels import Parcel, ParcelItem, pack
from celery_aws.core.queue_traits import QueueTraits
from celery_aws.core.routing import Binding, ExchangeKind
from celery_aws.errors import ServiceFaultError, UnreachableError
from celery_aws.names import AmqpQueue, InboxId, QueueName, QueueUrl, TableName
from celery_aws.table.bindings import Bindings
from celery_aws.table.coordination import SPEC, CoordinationTable
from celery_aws.table.inboxes import Inboxes
from celery_aws.table.mailboxes import Mailboxes
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_sqs import MemorySqs
from tests.watched import Watched

TABLE = TableName("celery-coordination")
LEASE_SECONDS = 600.0

#: Real seconds for which a test waits for another thread before it fails.
PATIENCE_SECONDS = 10.0

FAULT = ServiceFaultError("down", service="test", operation="Any")


class StillClock(FakeClock):
    """Pauses end when somebody ends them, or when the test moves the clock.

    Attributes:
        pauses: the seconds of every wait so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._paused = threading.Condition()

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        self.wakes(condition)
        with self._paused:
            self.pauses.append(seconds)
            self._paused.notify_all()
        condition.wait(PATIENCE_SECONDS)

    def has_paused(self, times: int) -> bool:
        """Wait until somebody has paused so often."""
        with self._paused:
            return self._paused.wait_for(lambda: len(self.pauses) >= times, PATIENCE_SECONDS)


class World:
    """What all processes share."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.sqs = MemorySqs(clock)
        self.tables = MemoryTableService(clock=clock)
        self.tables.create_table(TABLE, SPEC)
        self.tables.requests.clear()
        table = self.table(self.tables)
        self.bindings = Bindings(table=table)
        self.inboxes = Inboxes(table=table)
        self.mailboxes = Mailboxes(table=table)

    def table(self, service: TableService) -> CoordinationTable:
        return CoordinationTable(service=service, name=TABLE, creates=False, clock=self.clock)

    def queue_urls(self) -> set[QueueUrl]:
        """Return every queue on SQS."""
        return {queue.url for queue in self.sqs._account._queues.values()}

    def bodies(self, url: QueueUrl) -> list[str]:
        return [each.body for each in self.sqs.messages(QueueName(url.rpartition("/")[2]))]

    def new_queue(self, name: str = "one.fifo") -> QueueUrl:
        return self.sqs.create_queue(QueueName(name), {"FifoQueue": "true"}, {})

    def bind(self, exchange: str, name: str, **facts: Any) -> Binding:
        """Bind a queue as another process does."""
        made = binding(exchange, name, **facts)
        self.bindings.put(made)
        return made


class IdleReceiver(InboxReceiver):
    """Polls when a test says so."""

    def start(self) -> None:
        pass


class TurnedKeeper(InboxKeeper):
    """Takes turns when a test says so."""

    def start(self) -> None:
        pass


class Process:
    """A process with an inbox, and nothing that runs by itself.

    Attributes:
        announced: what others were told, in order.
        receivers: of its inboxes, in order.
    """

    def __init__(self, world: World, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self.world = world
        self.clock = world.clock
        self.sqs = Watched(world.sqs)
        self.tables = Watched(world.tables)
        self.queues = TransientQueues(self.clock)
        self.announced: list[set[str]] = []
        self.receivers: list[IdleReceiver] = []
        self.lost: list[QueueUrl] = []
        self._table = world.table(cast("TableService", self.tables))
        self._lease_seconds = lease_seconds
        self.keeper = self.new_keeper(TurnedKeeper)

    def new_keeper(
        self, kind: type[InboxKeeper], expire: Callable[[], float] = lambda: float("inf")
    ) -> InboxKeeper:
        return kind(
            new_inbox=self.new_inbox,
            announce=self._announce,
            expire=expire,
            clock=self.clock,
            jitter=lambda: 0.5,
        )

    def new_inbox(self) -> Inbox:
        return Inbox(
            queue=InboxQueue(cast("QueueService", self.sqs), prefix="", tags={}),
            receiver=self._new_receiver,
            inboxes=Inboxes(table=self._table),
            bindings=Bindings(table=self._table),
            lease_seconds=self._lease_seconds,
            clock=self.clock,
        )

    def declare(self, name: str = "one", **traits: Any) -> TransientQueue:
        return self.queues.declare(AmqpQueue(name), QueueTraits(**traits))

    def want(
        self,
        queue: TransientQueue,
        exchange: str = "celeryev",
        *,
        kind: ExchangeKind = "topic",
        routing_key: str = "#",
    ) -> None:
        """Say what shall be bound, and do not wait for it."""
        with suppress(UnreachableError):
            self.keeper.bind(
                queue, exchange=exchange, kind=kind, routing_key=routing_key, wait_seconds=0
            )

    def requests(self) -> list[str]:
        """Return the requests since the last time, those of SQS behind those of the table."""
        made = [*self.tables.log, *self.sqs.log]
        self.tables.log.clear()
        self.sqs.log.clear()
        return made

    def _announce(self, exchanges: Collection[str]) -> None:
        self.announced.append(set(exchanges))

    def _new_receiver(self, url: QueueUrl) -> InboxReceiver:
        receiver = IdleReceiver(
            service=cast("QueueService", self.sqs),
            url=url,
            queues=self.queues,
            on_changed=lambda _: None,
            on_lost=lambda: self.keeper.lose(url),
            wait_seconds=0,
            clock=self.clock,
        )
        self.receivers.append(receiver)
        return receiver


class Planes:
    """Makes control planes as processes have them; ends their threads."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dropped: list[int] = []
        self._made: list[ControlPlane] = []

    def __call__(self, **options: Any) -> ControlPlane:
        world = self.world
        given: dict[str, Any] = {
            "queue_name_prefix": "",
            "queue_tags": {},
            "wait_time_seconds": 20,
            "inbox_lease_seconds": LEASE_SECONDS,
            "event_heartbeat_seconds": 15.0,
            **options,
        }
        plane = ControlPlane(
            service=world.sqs,
            bindings=world.bindings,
            inboxes=world.inboxes,
            mailboxes=world.mailboxes,
            options=ControlOptions(**given),
            count_dropped=self.dropped.append,
            clock=world.clock,
        )
        self._made.append(plane)
        return plane

    def close(self) -> None:
        threads = [
            thread for plane in self._made for thread in (plane.keeper, plane.events, plane.replies)
        ]
        for thread in threads:
            assert thread.stop(PATIENCE_SECONDS)
        self.world.sqs.close()


class Sink:
    """A consumer that keeps what it is handed."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._changed = threading.Condition()

    def accept(self, message: Message) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def has(self, count: int) -> bool:
        """Wait until it was handed so many."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.messages) >= count, PATIENCE_SECONDS)


def binding(
    exchange: str,
    name: str,
    *,
    kind: ExchangeKind = "topic",
    routing_key: str = "#",
    url: QueueUrl | None = None,
) -> Binding:
    """Return the binding of another process's queue; without a URL that of one on SQS."""
    return Binding(
        exchange=exchange,
        kind=kind,
        queue=AmqpQueue(name),
        routing_key=routing_key,
        inbox=None if url is None else InboxId(url.rpartition("/")[2]),
        inbox_url=url,
        token=None if url is None else f"token of {name}",
    )


def message(body: str = "{}", **headers: Any) -> dict[str, Any]:
    """Return a virtual message as a channel makes it."""
    return {
        "body": body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": {"delivery_mode": 1, "delivery_info": {}},
    }


def parcel(*tokens: str, body: str = "{}") -> str:
    """Return the SQS body of one message for queues."""
    return pack(Parcel(items=(ParcelItem(tokens=tokens, message=message(body)),)))


def eventually(holds: Callable[[], Any], clock: Clock | None = None) -> None:
    """Wait for what nobody signals; it is a matter of a moment.

    Args:
        holds: what is waited for.
        clock: that was moved, perhaps before a thread began to wait for it.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        if isinstance(clock, FakeClock):
            clock.advance(0)
        time.sleep(0.001)


def threads_of_ours() -> list[str]:
    return sorted(each.name for each in threading.enumerate() if "celery-aws" in each.name)


@pytest.fixture
def clock() -> FakeClock:
    return StillClock()


@pytest.fixture
def world(clock: FakeClock) -> Iterator[World]:
    made = World(clock)
    yield made
    made.sqs.close()


@pytest.fixture
def process(world: World) -> Process:
    return Process(world)


@pytest.fixture
def planes(world: World) -> Iterator[Planes]:
    made = Planes(world)
    yield made
    made.close()
