"""Parks tasks and moves them, with the real schedule and mover, and counts what that uses."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from celery import Celery

from bench.usage import MeteredQueues, MeteredTables, Usage
from celery_aws.aws.sqs import QueueService
from celery_aws.core.delay_plan import send_after
from celery_aws.core.envelope import encode_body
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.outgoing import outgoing_message
from celery_aws.core.parked_messages import mark_parked
from celery_aws.core.schedule import FIFO, Lane, ScheduledTask
from celery_aws.limits import SQS_DELAY_SECONDS_MAX
from celery_aws.names import AmqpQueue, QueueName, QueueUrl, TableName
from celery_aws.schedule.mover import Mover
from celery_aws.schedule.outbox import Outbox
from celery_aws.table.coordination import SPEC, CoordinationTable
from celery_aws.table.leases import LeaderLease
from celery_aws.table.schedule import Schedule
from celery_aws.testing.clock import FakeClock

TABLE = TableName("celery-coordination")
_ACCOUNT = "https://sqs.us-east-1.amazonaws.com/000000000000"


class Destinations:
    """One queue service, whatever the queue."""

    def __init__(self, service: QueueService) -> None:
        self._service = service

    def destination(self, queue: AmqpQueue, url: QueueUrl) -> tuple[QueueService, QueueUrl]:  # noqa: ARG002
        """Return who sends to a queue."""
        return self._service, url

    def destination_lost(self, queue: AmqpQueue) -> tuple[QueueService, QueueUrl]:
        """Return the same; no queue is ever lost."""
        return self._service, QueueUrl(f"{_ACCOUNT}/{queue}")


@dataclass(frozen=True, kw_only=True)
class Load:
    """Tasks to be parked.

    Attributes:
        tasks: how many.
        due_seconds: when each is due, by its number, in seconds after all are parked.
        publishers: how many processes park them, in turn.
        rate: tasks a second that each of them parks.
        argument_bytes: of an argument that cannot be compressed, beside small ones.
    """

    tasks: int
    due_seconds: Callable[[int], float]
    lane: Lane
    publishers: int = 1
    rate: float = 100.0
    argument_bytes: int = 0


class Account:
    """A coordination table, publishers, and one leader; the clock moves when nobody does anything.

    Attributes:
        turns: how often the leader looked.
    """

    def __init__(self, lane: Lane) -> None:
        self.clock = FakeClock()
        self.tables = MeteredTables(self.clock)
        self.tables.create_table(TABLE, SPEC)
        self.queues = MeteredQueues()
        self.turns = 0
        self._lane = lane
        self._mover = self._new_mover()

    def schedule(self) -> Schedule:
        """Return the schedule as a new process has it."""
        return Schedule(self._table())

    def lease(self) -> LeaderLease:
        """Return a new contender."""
        lane = self._lane
        return LeaderLease(
            self._table(),
            f"mover-{lane.name}",
            owner="bench",
            duration_seconds=lane.lease_seconds,
            renew_seconds=lane.renew_seconds,
        )

    def run(self, seconds: float) -> None:
        """Let the leader lead for a time."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self.turns += 1
            self.clock.advance(self._mover.turn())

    def usage(self, tasks: int) -> Usage:
        """Return what was used so far."""
        operations = Counter(self.tables.requests)
        operations["SendMessageBatch"] = self.queues.batches
        return Usage(
            tasks=tasks,
            write_units=self.tables.write_units,
            read_units=self.tables.read_units,
            sqs_requests=self.queues.requests,
            written=Counter(self.tables.written),
            operations=operations,
        )

    def _table(self) -> CoordinationTable:
        return CoordinationTable(service=self.tables, name=TABLE, creates=False, clock=self.clock)

    def _new_mover(self) -> Mover:
        schedule = self.schedule()
        destinations = Destinations(cast("QueueService", self.queues))
        return Mover(
            lane=self._lane,
            schedule=schedule,
            lease=self.lease(),
            outbox=Outbox(schedule, destinations, self.clock),
            clock=self.clock,
        )


def parked_and_moved(load: Load) -> Usage:
    """Return what tasks use until they are in SQS; what a leader uses anyway is not in it."""
    account = Account(load.lane)
    _park(account, load)
    parked_at = account.clock.monotonic()
    while account.queues.sent < load.tasks:
        account.run(60)
    # Until all markers are gone.
    account.run(900)
    idle = Account(load.lane)
    idle.run(account.clock.monotonic() - parked_at)
    return account.usage(load.tasks).without(idle.usage(0))


def idle_month(lane: Lane) -> tuple[Usage, Usage]:
    """Return what a leader uses in 30 days with nothing to move, and what each other worker does.

    It is counted for a day.
    """
    leader = Account(lane)
    leader.run(86_400)
    other = _followers_day(lane)
    return _times_thirty(leader.usage(0)), _times_thirty(other)


def _followers_day(lane: Lane) -> Usage:
    account = Account(lane)
    leading, looking = account.lease(), account.lease()
    leading.contend()
    before = account.usage(0)
    others = Usage()
    for _ in range(round(86_400 / lane.renew_seconds)):
        account.clock.advance(lane.renew_seconds)
        leading.contend()
        before = account.usage(0)
        looking.contend()
        used = account.usage(0).without(before)
        others.read_units += used.read_units
        others.write_units += used.write_units
    return others


def _times_thirty(day: Usage) -> Usage:
    return Usage(write_units=30 * day.write_units, read_units=30 * day.read_units)


def _park(account: Account, load: Load) -> None:
    fifo = load.lane is FIFO
    queue = AmqpQueue("orders.fifo" if fifo else "celery")
    url = QueueUrl(f"{_ACCOUNT}/{queue}")
    publishers = [account.schedule() for _ in range(load.publishers)]
    parked_at = account.clock.now() + timedelta(seconds=load.tasks / load.rate / load.publishers)
    numbers = random.Random(1)
    template = _message(queue, argument_bytes=load.argument_bytes)
    for number in range(load.tasks):
        task_id = str(UUID(int=numbers.getrandbits(128)))
        due = parked_at + timedelta(seconds=load.due_seconds(number))
        message = replace(
            template,
            body=template.body.replace(_TASK_ID, task_id),
            message_deduplication_id=task_id if fifo else None,
        )
        scheduled = ScheduledTask(
            task_id=task_id,
            task="shop.tasks.send_confirmation",
            due=due,
            send_after=send_after(due, max_delay_seconds=0 if fifo else SQS_DELAY_SECONDS_MAX),
            queue=queue,
            queue_url=url,
            message=mark_parked(message, task_id),
        )
        publishers[number % load.publishers].park(scheduled, load.lane)
        account.clock.advance(1 / load.rate / load.publishers)


_TASK_ID = "3f2b8a44-5b1e-4c53-9d0a-1f6f6d2a7c11"


def _message(queue: AmqpQueue, *, argument_bytes: int) -> OutgoingMessage:
    """Return the message of a task as Celery makes it: a kilobyte, with small arguments."""
    arguments: list[Any] = [20_261_122, "somebody@example.org"]
    if argument_bytes:
        # Characters of random bytes in hex are compressed to the half.
        arguments.append(random.Random(1).randbytes(argument_bytes).hex())
    published: list[dict[str, Any]] = []
    with Celery("shop", set_as_current=False, broker="memory://") as app:
        connection = app.connection_for_write()
        channel = connection.default_channel
        channel.basic_publish = lambda message, **_: published.append(message)
        app.send_task(
            "shop.tasks.send_confirmation",
            arguments,
            {"language": "ja", "attach_invoice": True},
            countdown=86_400,
            task_id=_TASK_ID,
            producer=app.amqp.Producer(channel),
        )
        connection.close()
    (message,) = published
    message["body"], message["properties"]["body_encoding"] = encode_body(message["body"])
    return outgoing_message(message, queue=QueueName(queue), new_deduplication_id=lambda: _TASK_ID)
