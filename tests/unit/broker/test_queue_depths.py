import pytest

from celery_aws.broker.queue_depths import depth_of_queue
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.queue_depth import QueueDepth
from celery_aws.errors import AccessDeniedError, ConfigurationError
from celery_aws.names import AmqpQueue, QueueName
from tests.unit.broker.conftest import NAME, QUEUE, Bench

ASK, FIND = "GetQueueAttributes", "GetQueueUrl"
ORDERS = AmqpQueue("orders.fifo")


def requests(bench: Bench) -> list[str]:
    return [call.operation for call in bench.sqs.calls]


def test_messages_are_counted_by_what_keeps_them_from_being_received(bench: Bench) -> None:
    bench.receive(2)
    bench.send("a", "b", "c")
    bench.sqs.send(bench.address().url, OutgoingMessage(body="d", delay_seconds=60))

    assert depth_of_queue(bench.directory, QUEUE) == QueueDepth(visible=3, in_flight=2, delayed=1)

    bench.clock.advance(60)
    assert depth_of_queue(bench.directory, QUEUE) == QueueDepth(visible=6)


def test_a_look_costs_one_request_once_it_is_known_where_the_queue_is(bench: Bench) -> None:
    bench.sqs.create_queue(NAME, {}, {})
    bench.sqs.calls.clear()

    for _ in range(3):
        assert depth_of_queue(bench.directory, QUEUE) == QueueDepth()

    assert requests(bench) == [FIND, ASK, ASK, ASK]


@pytest.mark.parametrize("queue", [QUEUE, ORDERS])
def test_priorities_are_counted_together(bench: Bench, queue: AmqpQueue) -> None:
    bench.directory.set_max_priority(queue, 6)
    steps = bench.directory.priority_queues(queue)
    for number, step in enumerate(steps, start=1):
        group = step if queue == ORDERS else None
        for each in range(number):
            message = OutgoingMessage(
                body=str(each), message_group_id=group, message_deduplication_id=group and str(each)
            )
            bench.sqs.send(bench.address(step).url, message)
    bench.sqs.calls.clear()

    assert depth_of_queue(bench.directory, queue) == QueueDepth(visible=1 + 2 + 3)
    assert requests(bench) == [ASK] * 3


def test_a_missing_queue_is_not_created_and_asked_for_again(bench: Bench) -> None:
    assert depth_of_queue(bench.directory, QUEUE) is None
    assert requests(bench) == [FIND]

    bench.sqs.create_queue(NAME, {}, {})
    assert depth_of_queue(bench.directory, QUEUE) == QueueDepth()


def test_a_step_that_is_missing_has_no_messages(bench: Bench) -> None:
    bench.send("a", "b")
    bench.directory.set_max_priority(QUEUE, 9)
    bench.sqs.calls.clear()

    assert depth_of_queue(bench.directory, QUEUE) == QueueDepth(visible=2)
    assert requests(bench) == [ASK, FIND, FIND, FIND]


def test_a_queue_that_was_deleted_by_somebody_else_is_found_again(bench: Bench) -> None:
    bench.send("a")
    bench.sqs.delete_queue(bench.address().url)
    assert depth_of_queue(bench.directory, QUEUE) is None

    bench.clock.advance(60)
    bench.sqs.create_queue(QueueName("celery"), {}, {})
    assert depth_of_queue(bench.directory, QUEUE) == QueueDepth()


def test_a_queue_that_is_not_predefined_costs_nothing(bench: Bench) -> None:
    url = bench.sqs.create_queue(NAME, {}, {})
    directory = bench.new_directory(predefined_queues={"celery": {"url": url}})
    bench.sqs.calls.clear()

    assert depth_of_queue(directory, AmqpQueue("mail")) is None
    assert requests(bench) == []
    assert depth_of_queue(directory, QUEUE) == QueueDepth()
    assert requests(bench) == [ASK]


def test_a_refusal_is_told(bench: Bench) -> None:
    bench.send("a")
    bench.sqs.faults.fail(ASK, AccessDeniedError("no"))

    with pytest.raises(AccessDeniedError):
        depth_of_queue(bench.directory, QUEUE)


def test_a_name_that_sqs_does_not_take_is_told(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="SQS takes 80"):
        depth_of_queue(bench.directory, AmqpQueue("q" * 81))
