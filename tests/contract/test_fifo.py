"""Messages on FIFO queues: order, groups and deduplication."""

import pytest

from celery_aws.aws.sqs import QueueService
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.errors import AwsError
from celery_aws.names import QueueName, QueueUrl


class FifoQueue:
    """One FIFO queue, with the words of this suite."""

    def __init__(self, service: QueueService, url: QueueUrl) -> None:
        self.service = service
        self.url = url

    def send(self, body: str, *, group: str, deduplication_id: str | None = None) -> str:
        return self.service.send(
            self.url,
            OutgoingMessage(
                body=body,
                message_group_id=group,
                message_deduplication_id=deduplication_id or body,
            ),
        )

    def receive(self, most: int) -> list[ReceivedMessage]:
        return self.service.receive(
            self.url, max_messages=most, wait_seconds=0, visibility_timeout_seconds=30
        )


@pytest.fixture
def queue(queue_service: QueueService, name: QueueName) -> FifoQueue:
    fifo = QueueName(f"{name}.fifo")
    return FifoQueue(queue_service, queue_service.create_queue(fifo, {"FifoQueue": "true"}, {}))


def test_the_order_of_a_group_is_kept(queue: FifoQueue) -> None:
    for body in ("1", "2", "3"):
        queue.send(body, group="g")

    assert [message.body for message in queue.receive(10)] == ["1", "2", "3"]


def test_a_group_is_blocked_while_one_of_its_messages_is_in_flight(queue: FifoQueue) -> None:
    for body, group in (("1", "g"), ("2", "g"), ("3", "h")):
        queue.send(body, group=group)
    (first,) = queue.receive(1)

    second = queue.receive(10)

    assert (first.body, first.message_group_id) == ("1", "g")
    assert [message.body for message in second] == ["3"]


def test_a_settled_message_opens_its_group(queue: FifoQueue) -> None:
    queue.send("1", group="g")
    queue.send("2", group="g")
    (first,) = queue.receive(1)

    queue.service.delete_batch(queue.url, [first.receipt_handle])

    assert [message.body for message in queue.receive(10)] == ["2"]


def test_a_message_given_back_comes_before_its_successors(queue: FifoQueue) -> None:
    queue.send("1", group="g")
    queue.send("2", group="g")
    (first,) = queue.receive(1)

    queue.service.change_visibility_batch(queue.url, [(first.receipt_handle, 0)])

    assert [message.body for message in queue.receive(1)] == ["1"]


def test_a_duplicate_is_accepted_and_dropped(queue: FifoQueue) -> None:
    first = queue.send("1", group="g", deduplication_id="d")
    second = queue.send("1", group="g", deduplication_id="d")

    assert second == first
    assert len(queue.receive(10)) == 1


def test_a_message_without_a_group_is_refused(queue: FifoQueue) -> None:
    with pytest.raises(AwsError):
        queue.service.send(queue.url, OutgoingMessage(body="1", message_deduplication_id="d"))


def test_a_message_without_a_deduplication_id_is_refused(queue: FifoQueue) -> None:
    with pytest.raises(AwsError):
        queue.service.send(queue.url, OutgoingMessage(body="1", message_group_id="g"))


def test_a_delay_of_one_message_is_refused(queue: FifoQueue) -> None:
    with pytest.raises(AwsError):
        queue.service.send(
            queue.url,
            OutgoingMessage(
                body="1", message_group_id="g", message_deduplication_id="d", delay_seconds=1
            ),
        )


def test_a_fifo_queue_needs_the_suffix(queue_service: QueueService, name: QueueName) -> None:
    with pytest.raises(AwsError):
        queue_service.create_queue(name, {"FifoQueue": "true"}, {})
