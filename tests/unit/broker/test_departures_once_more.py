"""Messages that were received too early, on their way once more."""

import logging

import pytest

from celery_aws.broker.departures import HOLD_SECONDS_MAX, Destination
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.task_eta import TaskTiming
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import NAME, QUEUE, Bench
from tests.unit.broker.early import due_in, parked

FIFO = AmqpQueue("orders.fifo")
TIMING = TaskTiming(task_id="1", task="t", eta=None)


def send_on(bench: Bench, seconds: float, queue: AmqpQueue = QUEUE) -> bool:
    destination = Destination(
        queue=queue, name=bench.directory.name(queue), address=bench.address(queue)
    )
    message = OutgoingMessage(
        body="b",
        message_group_id="g" if queue == FIFO else None,
        message_deduplication_id="1" if queue == FIFO else None,
    )
    return bench.departures.send_on(destination, message, TIMING, due_in(bench, seconds))


@pytest.mark.parametrize("seconds", [-1, 0, 5])
def test_what_would_be_back_at_once_is_not_sent(bench: Bench, seconds: float) -> None:
    assert not send_on(bench, seconds)
    assert bench.bodies() == []


def test_with_a_delay_it_is_sent(bench: Bench) -> None:
    assert send_on(bench, 7)

    assert (bench.bodies(), bench.visible()) == (["b"], [])


@pytest.mark.parametrize("seconds", [60, HOLD_SECONDS_MAX + 60])
def test_a_fifo_queue_needs_the_table(clock: FakeClock, sqs: MemorySqs, seconds: float) -> None:
    bench = Bench(clock, sqs, coordination_table=False)

    assert not bench.departures.can_delay(QueueName(FIFO))
    assert bench.departures.can_delay(NAME)
    assert not send_on(bench, seconds, FIFO)
    assert bench.bodies(QueueName(FIFO)) == []
    bench.close()


def test_with_the_table_it_is_parked(bench: Bench) -> None:
    assert bench.departures.can_delay(QueueName(FIFO))
    assert send_on(bench, 60, FIFO)

    assert [task.queue for task in parked(bench)] == [FIFO]


def test_steps_are_said_to_be_expensive(
    clock: FakeClock, sqs: MemorySqs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    bench = Bench(clock, sqs, coordination_table=False)

    for _ in range(2):
        assert send_on(bench, 3_600)

    assert caplog.text.count("goes through SQS every 900 s until then") == 1
    assert "some 12 requests" in caplog.text
    bench.close()
