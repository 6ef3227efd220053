import logging
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from celery_aws.aws.access import Access
from celery_aws.broker.coordination import Coordination
from celery_aws.broker.departures import HOLD_SECONDS_MAX, Departures, Destination
from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.large_messages import LargeMessages
from celery_aws.config.broker import parse_broker_options
from celery_aws.core.large_messages import load_pointer
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_messages import parked_task_id
from celery_aws.core.schedule import FIFO, STANDARD, Lane, ScheduledTask
from celery_aws.core.scheduled_items import PARTS
from celery_aws.core.task_eta import TaskTiming
from celery_aws.errors import (
    AccessDeniedError,
    InvalidRequestError,
    MessageTooLargeError,
    TableNotFoundError,
    UnsupportedError,
)
from celery_aws.limits import SQS_MESSAGE_BYTES
from celery_aws.names import AmqpQueue, QueueName, TableName
from celery_aws.table.coordination import CoordinationTable
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_s3 import MemoryS3
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import BUCKET, QUEUE

FIFO_QUEUE = AmqpQueue("orders.fifo")
TABLE = TableName("celery-coordination")
MESSAGE = OutgoingMessage(body='{"body": "[]"}')


class Publisher:
    """The way out of one connection."""

    def __init__(
        self,
        clock: FakeClock,
        sqs: MemorySqs,
        tables: MemoryTableService,
        s3: MemoryS3,
        **options: Any,
    ) -> None:
        self.clock = clock
        self.sqs = sqs
        parsed = parse_broker_options(options)
        access = Access(region="eu-west-1")
        self.directory = QueueDirectory(parsed, access, lambda _: sqs, clock)
        table = CoordinationTable(
            service=tables, name=TABLE, creates=parsed.create_coordination_table, clock=clock
        )
        coordination = Coordination.on(table)
        self.schedule = coordination.schedule
        self.departures = Departures(
            parsed,
            LargeMessages(parsed, s3, clock),
            None if parsed.coordination_table is False else coordination,
            clock,
        )

    def send(
        self,
        seconds: float | None,
        message: OutgoingMessage = MESSAGE,
        *,
        queue: AmqpQueue = QUEUE,
        task_id: str | None = "id",
    ) -> None:
        eta = None if seconds is None else self.clock.now() + timedelta(seconds=seconds)
        if queue == FIFO_QUEUE:
            message = replace(message, message_group_id="g", message_deduplication_id="d")
        destination = Destination(
            queue=queue, name=self.directory.name(queue), address=self.directory.address(queue)
        )
        timing = TaskTiming(task_id=task_id, task="shop.mail", eta=eta)
        self.departures.send(destination, message, timing)

    def delays(self, queue: AmqpQueue = QUEUE) -> list[float]:
        sent = self.sqs.messages(QueueName(queue))
        return [message.visible_at - message.sent_at for message in sent]

    def parked(self, lane: Lane = STANDARD) -> list[ScheduledTask]:
        found = []
        for marker in self.schedule.markers(lane):
            for page in self.schedule.entries(marker.shard):
                found += [self.schedule.task_of(entry) for entry in page]
        return [task for task in found if task is not None]


Publishers = Callable[..., Publisher]


@pytest.fixture
def publishers(
    clock: FakeClock, sqs: MemorySqs, tables: MemoryTableService, s3: MemoryS3
) -> Publishers:
    return lambda **options: Publisher(clock, sqs, tables, s3, **options)


@pytest.fixture
def publisher(publishers: Publishers) -> Publisher:
    return publishers()


# Standard queues.


@pytest.mark.parametrize(
    ("seconds", "delay"),
    [(None, 0), (-60, 0), (0, 0), (5, 0), (6, 5), (60, 59), (899, 898), (900, 899)],
)
def test_what_sqs_can_delay_it_delays(
    publisher: Publisher, seconds: float | None, delay: int
) -> None:
    publisher.send(seconds)

    assert publisher.delays() == [delay]
    assert publisher.parked() == []


@pytest.mark.parametrize("seconds", [901, 3_600, 20 * 86_400, 3_000 * 86_400])
def test_what_is_due_later_is_parked(
    publisher: Publisher, clock: FakeClock, seconds: float
) -> None:
    publisher.send(seconds)

    (task,) = publisher.parked()
    assert publisher.delays() == []
    assert task.due == clock.now() + timedelta(seconds=seconds)
    assert task.send_after == task.due - timedelta(seconds=900)
    assert (task.task_id, task.task, task.queue) == ("id", "shop.mail", "celery")
    assert task.message.body == MESSAGE.body
    assert parked_task_id(task.message.message_attributes) == "id"


def test_how_short_an_eta_is_held_by_a_worker_can_be_said(publishers: Publishers) -> None:
    publisher = publishers(short_eta_seconds=120)
    publisher.send(120)
    publisher.send(121)

    assert publisher.delays() == [0, 120]


def test_a_short_eta_asks_nobody_anything(publisher: Publisher, sqs: MemorySqs) -> None:
    publisher.directory.address(QUEUE)
    before = sqs.count("GetQueueAttributes")
    publisher.send(5)
    publisher.send(30)

    assert sqs.count("GetQueueAttributes") == before


def test_a_queue_that_forgets_soon_gets_no_long_delays(
    publisher: Publisher, sqs: MemorySqs
) -> None:
    sqs.create_queue(QueueName("short"), {"MessageRetentionPeriod": "120"}, {})
    for seconds in (30, 60, 61, 600):
        publisher.send(seconds, queue=AmqpQueue("short"))

    assert publisher.delays(AmqpQueue("short")) == [29, 59]
    waits = sorted((task.due - task.send_after).total_seconds() for task in publisher.parked())
    assert waits == [60, 60]


def test_an_explicit_delay_is_stronger_than_an_eta(publisher: Publisher) -> None:
    publisher.send(3_600, replace(MESSAGE, delay_seconds=7))
    publisher.send(3_600, replace(MESSAGE, delay_seconds=0))

    assert publisher.delays() == [7, 0]
    assert publisher.parked() == []


def test_a_task_without_an_id_is_parked_too(publisher: Publisher) -> None:
    publisher.send(3_600, task_id=None)
    publisher.send(3_600, task_id=None)

    assert len(publisher.parked()) == 2


# FIFO queues.


@pytest.mark.parametrize(("seconds", "early"), [(6, 1), (899, 1), (3_600, 1), (20 * 86_400, 1)])
def test_a_fifo_queue_has_everything_parked(
    publisher: Publisher, sqs: MemorySqs, seconds: float, early: float
) -> None:
    publisher.directory.address(FIFO_QUEUE)
    before = sqs.count("GetQueueAttributes")
    publisher.send(seconds, queue=FIFO_QUEUE)

    (task,) = publisher.parked(FIFO)
    assert (task.due - task.send_after).total_seconds() == early
    assert (task.message.message_group_id, task.message.message_deduplication_id) == ("g", "d")
    assert publisher.parked(STANDARD) == []
    assert sqs.count("GetQueueAttributes") == before


def test_a_short_eta_on_a_fifo_queue_goes_at_once(publisher: Publisher) -> None:
    publisher.send(5, queue=FIFO_QUEUE)

    assert publisher.delays(FIFO_QUEUE) == [0]


# Large messages.


def test_what_is_larger_than_an_item_is_parked_in_parts(
    publisher: Publisher, tables: MemoryTableService
) -> None:
    body = "".join(random.Random(4).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=1_000_000))
    publisher.send(3_600, replace(MESSAGE, body=body))

    (task,) = publisher.parked()
    assert task.message.body == body
    assert any(PARTS in item for item in tables.items(TABLE))


def test_what_is_larger_than_its_queue_takes_is_parked_as_a_pointer(
    publishers: Publishers, s3: MemoryS3
) -> None:
    publisher = publishers(large_message_bucket=BUCKET)
    publisher.send(3_600, replace(MESSAGE, body="x" * (SQS_MESSAGE_BYTES + 1)))

    (task,) = publisher.parked()
    pointer = load_pointer(task.message.body)
    assert pointer is not None
    assert len(s3.get(pointer.bucket, pointer.key)) > SQS_MESSAGE_BYTES
    assert parked_task_id(task.message.message_attributes) == "id"


def test_the_mark_counts(publishers: Publishers) -> None:
    # Without it the message would just fit.
    body = "x" * SQS_MESSAGE_BYTES
    publishers().send(60, replace(MESSAGE, body=body))
    with pytest.raises(MessageTooLargeError):
        publishers().send(3_600, replace(MESSAGE, body=body))

    publisher = publishers(large_message_bucket=BUCKET)
    publisher.send(3_600, replace(MESSAGE, body=body))
    (task,) = publisher.parked()
    assert task.message.size_bytes < 1_000


# What is refused.


@pytest.mark.parametrize(
    "message",
    [
        replace(MESSAGE, message_group_id="a group"),
        replace(MESSAGE, message_attributes={"a": {"StringValue": "v"}}),
        replace(
            MESSAGE,
            message_attributes={
                str(number): {"DataType": "String", "StringValue": "v"} for number in range(11)
            },
        ),
    ],
)
def test_what_sqs_would_refuse_when_it_is_moved_is_refused_now(
    publisher: Publisher, message: OutgoingMessage, tables: MemoryTableService
) -> None:
    with pytest.raises(InvalidRequestError, match="sqs SendMessage for celery"):
        publisher.send(3_600, message)

    assert tables.requests == {}


def test_a_table_that_may_not_be_made_is_an_error_with_a_remedy(
    publishers: Publishers, sqs: MemorySqs
) -> None:
    publisher = publishers(create_coordination_table=False)

    with pytest.raises(TableNotFoundError, match="create-table") as raised:
        publisher.send(3_600)

    assert raised.value.resource == TABLE
    assert sqs.messages(QueueName("celery")) == []


def test_a_table_that_may_not_be_written_to_is_an_error_with_a_remedy(
    publisher: Publisher, tables: MemoryTableService
) -> None:
    refused = AccessDeniedError("no", service="dynamodb", operation="PutItem", resource=TABLE)
    tables.fail_next("PutItem", refused)

    with pytest.raises(AccessDeniedError, match="grant dynamodb:PutItem"):
        publisher.send(3_600)


# Without the table.


def test_without_a_table_long_delays_are_taken_in_steps(
    publishers: Publishers, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = publishers(coordination_table=False)
    publisher.send(900)
    assert caplog.messages == []

    publisher.send(3_600)
    publisher.send(7_200)

    assert publisher.delays() == [899, 900, 900]
    (warning,) = caplog.messages
    assert "'coordination_table'" in warning
    assert "every 900 s" in warning
    assert "some 12 requests" in warning


def test_each_queue_has_a_warning_of_its_own(
    publishers: Publishers, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = publishers(coordination_table=False)
    for _ in range(3):
        publisher.send(3_600)
        publisher.send(3_600, queue=AmqpQueue("mails"))

    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


def test_without_a_table_a_worker_holds_what_is_on_a_fifo_queue(publishers: Publishers) -> None:
    publisher = publishers(coordination_table=False)
    publisher.send(HOLD_SECONDS_MAX, queue=FIFO_QUEUE)
    assert publisher.delays(FIFO_QUEUE) == [0]

    with pytest.raises(UnsupportedError, match=r"39601 s, only for 39600.*'coordination_table'"):
        publisher.send(HOLD_SECONDS_MAX + 1, queue=FIFO_QUEUE)
