"""A schedule on doubles, and movers on it that a test may stop or kill at every request."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import cast

import pytest

from celery_aws.aws.dynamodb import TableService
from celery_aws.aws.sqs import QueueService
from celery_aws.core.attributes import Item
from celery_aws.core.delay_plan import send_after
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_messages import mark_parked, maybe_sent_before, parked_task_id
from celery_aws.core.schedule import FIFO, STANDARD, Lane, ScheduledTask
from celery_aws.errors import QueueNotFoundError
from celery_aws.names import AmqpQueue, QueueName, QueueUrl, TableName
from celery_aws.schedule.mover import Mover
from celery_aws.schedule.outbox import Outbox
from celery_aws.table.coordination import SPEC, CoordinationTable
from celery_aws.table.leases import LeaderLease
from celery_aws.table.schedule import Schedule
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_queue import StoredMessage
from celery_aws.testing.memory_sqs import MemorySqs
from tests.watched import Watched

TABLE = TableName("celery-coordination")
QUEUE = AmqpQueue("celery")
FIFO_QUEUE = AmqpQueue("orders.fifo")


class Destinations:
    """The queues of one account, found by name; what is missing is created if it may be."""

    def __init__(self, service: QueueService, *, creates: bool = True) -> None:
        self.service = service
        self.creates = creates

    def destination(self, queue: AmqpQueue, url: QueueUrl) -> tuple[QueueService, QueueUrl]:
        return self.service, url

    def destination_lost(self, queue: AmqpQueue) -> tuple[QueueService, QueueUrl]:
        if not self.creates:
            raise QueueNotFoundError("no such queue", resource=queue)
        attributes = {"FifoQueue": "true"} if queue.endswith(".fifo") else {}
        return self.service, self.service.create_queue(QueueName(queue), attributes, {})


class Process:
    """What one process knows of the schedule, and its movers.

    Attributes:
        tables: its requests to DynamoDB.
        queues: its requests to SQS.
    """

    def __init__(self, world: "World", name: str, *, creates_queues: bool = True) -> None:
        self.tables = Watched(world.tables)
        self.queues = Watched(world.sqs)
        self._world = world
        self._name = name
        table = CoordinationTable(
            service=cast("TableService", self.tables), name=TABLE, creates=True, clock=world.clock
        )
        self.table = table
        self.schedule = Schedule(table)
        self.destinations = Destinations(cast("QueueService", self.queues), creates=creates_queues)
        self.outbox = self.new_outbox()
        self.mover = self.new_mover(STANDARD)

    def new_outbox(self) -> Outbox:
        return Outbox(self.schedule, self.destinations, self._world.clock, jitter=lambda: 1.0)

    def new_mover(self, lane: Lane) -> Mover:
        lease = LeaderLease(
            self.table,
            f"mover-{lane.name}",
            owner=self._name,
            duration_seconds=lane.lease_seconds,
            renew_seconds=lane.renew_seconds,
        )
        return Mover(
            lane=lane,
            schedule=self.schedule,
            lease=lease,
            outbox=self.outbox,
            clock=self._world.clock,
            jitter=lambda: 1.0,
        )


class World:
    """AWS in memory, and the time."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.sqs = MemorySqs(clock)
        self.tables = MemoryTableService(clock=clock)
        self.tables.create_table(TABLE, SPEC)
        self.publisher = Process(self, "publisher")
        self._parked = 0

    def new_queue(self, queue: AmqpQueue = QUEUE) -> QueueUrl:
        attributes = {"FifoQueue": "true"} if queue.endswith(".fifo") else {}
        return self.sqs.create_queue(QueueName(queue), attributes, {})

    def task(
        self, name: str, due: datetime, *, queue: AmqpQueue = QUEUE, body: str | None = None
    ) -> ScheduledTask:
        """Return a task as departures make it; its body is its name."""
        fifo = queue.endswith(".fifo")
        message = OutgoingMessage(
            body=body or name,
            message_group_id="group" if fifo else None,
            message_deduplication_id=name if fifo else None,
        )
        return ScheduledTask(
            task_id=name,
            task="shop.mail",
            due=due,
            send_after=send_after(due, max_delay_seconds=0 if fifo else 900),
            queue=queue,
            queue_url=QueueUrl(f"https://sqs.us-east-1.amazonaws.com/000000000000/{queue}"),
            message=mark_parked(message, name),
        )

    def park(
        self,
        count: int = 1,
        *,
        due_seconds: float = 1_000.0,
        apart_seconds: float = 0.0,
        queue: AmqpQueue = QUEUE,
        body: str | None = None,
    ) -> list[str]:
        """Park tasks and return their names."""
        names = []
        for number in range(count):
            name = f"task-{self._parked:05}"
            due = self.clock.now() + timedelta(seconds=due_seconds + number * apart_seconds)
            task = self.task(name, due, queue=queue, body=body)
            self.publisher.schedule.park(task, FIFO if queue.endswith(".fifo") else STANDARD)
            names.append(name)
            self._parked += 1
        return names

    def entries(self, lane: Lane = STANDARD) -> list[Item]:
        """Return what is parked and can be found, in the order of its time and then its name."""
        schedule = Process(self, "reader").schedule
        found = [
            entry
            for marker in schedule.markers(lane)
            for page in schedule.entries(marker.shard)
            for entry in page
        ]
        return sorted(found, key=lambda entry: str(entry["sk"]["S"]))

    def sent(self, queue: AmqpQueue = QUEUE) -> list[StoredMessage]:
        return self.sqs.messages(QueueName(queue))

    def copies(self, queue: AmqpQueue = QUEUE) -> Counter[str]:
        """Return how often each task was sent."""
        return Counter(task_ids(self.sent(queue)))

    def items(self) -> list[Item]:
        """Return everything in the table but leases."""
        items = self.tables.items(TABLE)
        return [item for item in items if not item["pk"]["S"].startswith("lease#")]


def task_ids(messages: Sequence[StoredMessage]) -> list[str]:
    return [parked_task_id(message.attributes) or "" for message in messages]


def again(messages: Sequence[StoredMessage]) -> list[str]:
    """Return the tasks of messages that say that they may have been sent before."""
    return [
        parked_task_id(message.attributes) or ""
        for message in messages
        if maybe_sent_before(message.attributes)
    ]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def world(clock: FakeClock) -> Iterator[World]:
    made = World(clock)
    made.new_queue()
    yield made
    made.sqs.close()


@pytest.fixture
def process(world: World) -> Process:
    return Process(world, "worker")


@pytest.fixture
def mover(process: Process) -> Mover:
    return process.mover


@pytest.fixture
def other(world: World) -> Process:
    return Process(world, "other")


def markers(world: World) -> int:
    return sum(item["pk"]["S"] == "schedule#standard" for item in world.items())
