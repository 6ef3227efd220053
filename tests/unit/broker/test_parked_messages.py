"""Messages of parked tasks as operators handle them: read, sent at once, discarded."""

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from celery_aws.broker.large_messages import LargeMessages
from celery_aws.broker.parked_messages import BrokerMessages
from celery_aws.core.large_messages import load_pointer
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.schedule import ScheduledTask
from celery_aws.errors import QueueNotFoundError
from celery_aws.names import AmqpQueue, QueueUrl
from tests.unit.broker.conftest import BUCKET, NAME, QUEUE, Bench

NOON = datetime(2031, 5, 6, 12, tzinfo=timezone.utc)
FIFO_QUEUE = AmqpQueue("orders.fifo")


def messages_of(bench: Bench, **options: Any) -> BrokerMessages:
    directory = bench.new_directory(**options)
    large = LargeMessages(directory.options, bench.s3, bench.clock)
    return BrokerMessages(directory, large)


def task_for(bench: Bench, message: OutgoingMessage, queue: AmqpQueue = QUEUE) -> ScheduledTask:
    return ScheduledTask(
        task_id="one",
        task="shop.mail",
        due=NOON,
        send_after=NOON,
        queue=queue,
        queue_url=bench.address(queue).url,
        message=message,
    )


def test_a_message_is_sent_without_a_delay_not_even_its_queues_own(bench: Bench) -> None:
    bench.sqs.create_queue(NAME, attributes={"DelaySeconds": "60"}, tags={})
    messages = messages_of(bench)
    task = task_for(bench, OutgoingMessage(body="old"))
    messages.send(task, "new")
    assert bench.visible() == ["new"]
    assert messages.envelope(task) == "old"


def test_a_fifo_queue_is_given_no_delay_and_the_same_deduplication(bench: Bench) -> None:
    message = OutgoingMessage(body="old", message_group_id="g", message_deduplication_id="d")
    task = task_for(bench, message, FIFO_QUEUE)
    messages = messages_of(bench)
    messages.send(task, "new")
    messages.send(task, "new")
    assert bench.bodies(bench.directory.name(FIFO_QUEUE)) == ["new"]


def test_a_queue_that_was_deleted_is_looked_for_again(bench: Bench) -> None:
    messages = messages_of(bench)
    task = task_for(bench, OutgoingMessage(body="old"))
    moved = replace(task, queue_url=QueueUrl(f"{task.queue_url}-gone"))
    messages.send(moved, "new")
    assert bench.visible() == ["new"]
    strict = messages_of(bench, create_missing_queues=False)
    bench.sqs.delete_queue(task.queue_url)
    with pytest.raises(QueueNotFoundError):
        strict.send(task, "new")


def test_what_is_in_s3_is_read_sent_as_an_object_of_its_own_and_discarded(bench: Bench) -> None:
    options = {"large_message_bucket": BUCKET, "large_message_threshold_bytes": 100}
    messages = messages_of(bench, **options)
    large = LargeMessages(bench.new_directory(**options).options, bench.s3, bench.clock)
    parked: list[OutgoingMessage] = []
    message = OutgoingMessage(body="o" * 200)
    large.send(bench.address(), message, queue=NAME, deliver=parked.append)
    task = task_for(bench, parked[0])
    assert messages.envelope(task) == message.body

    messages.send(task, "n" * 200)
    (sent,) = bench.sqs.messages(NAME)
    pointer = load_pointer(sent.body)
    assert pointer is not None
    assert sorted(bench.s3.objects(BUCKET).values()) == [b"n" * 200, b"o" * 200]

    messages.discard(task)
    assert bench.s3.objects(BUCKET) == {pointer.key: b"n" * 200}

    messages.send(task, "small now")
    small = next(each for each in bench.sqs.messages(NAME) if each.body == "small now")
    assert small.attributes == {}
