"""Messages on standard queues: what every QueueService must do with them."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from celery_aws.aws.sqs import QueueService
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.errors import InvalidRequestError, StaleReceiptError
from celery_aws.limits import SQS_MESSAGE_BYTES
from celery_aws.names import QueueName, QueueUrl, ReceiptHandle


class Queue:
    """One queue, with the words of this suite."""

    def __init__(self, service: QueueService, url: QueueUrl) -> None:
        self.service = service
        self.url = url

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.service.send(self.url, OutgoingMessage(body=body))

    def receive(
        self, most: int = 10, *, wait_seconds: int = 0, hidden_seconds: int | None = 30
    ) -> list[ReceivedMessage]:
        return self.service.receive(
            self.url,
            max_messages=most,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=hidden_seconds,
        )

    def delete(self, messages: Sequence[ReceivedMessage]) -> None:
        handles = [message.receipt_handle for message in messages]
        assert self.service.delete_batch(self.url, handles) == []


@pytest.fixture
def queue(queue_service: QueueService, name: QueueName) -> Queue:
    return Queue(queue_service, queue_service.create_queue(name, {}, {}))


def test_what_was_sent_is_received(queue: Queue) -> None:
    message_id = queue.service.send(queue.url, OutgoingMessage(body='{"a": 1}'))

    (message,) = queue.receive(wait_seconds=1)

    assert (message.body, message.message_id) == ('{"a": 1}', message_id)
    assert (message.receive_count, message.redelivered()) == (1, False)


def test_it_says_when_it_was_sent(queue: Queue) -> None:
    queue.send("1")
    (first,) = queue.receive(wait_seconds=1, hidden_seconds=1)
    (again,) = queue.receive(wait_seconds=5)

    assert first.sent_at is not None
    assert abs(datetime.now(timezone.utc) - first.sent_at) < timedelta(minutes=1)
    assert again.sent_at == first.sent_at


def test_no_more_than_asked_for_is_received(queue: Queue) -> None:
    queue.send("1", "2", "3")

    assert len(queue.receive(2)) <= 2


def test_a_received_message_is_hidden(queue: Queue) -> None:
    queue.send("1")
    queue.receive(wait_seconds=1)

    assert queue.receive() == []


def test_it_comes_back_when_its_visibility_timeout_ends(queue: Queue) -> None:
    queue.send("1")
    (first,) = queue.receive(wait_seconds=1, hidden_seconds=1)

    (second,) = queue.receive(wait_seconds=5)

    assert (second.receive_count, second.redelivered()) == (2, True)
    assert second.receipt_handle != first.receipt_handle


def test_a_deleted_message_does_not_come_back(queue: Queue) -> None:
    queue.send("1")
    queue.delete(queue.receive(wait_seconds=1, hidden_seconds=1))

    assert queue.receive(wait_seconds=2) == []


@pytest.mark.aws_only("the handle of a deleted message is refused")
def test_deleting_twice_is_no_error(queue: Queue) -> None:
    queue.send("1")
    messages = queue.receive(wait_seconds=1)
    queue.delete(messages)

    queue.delete(messages)


def test_a_message_given_back_is_received_at_once(queue: Queue) -> None:
    queue.send("1")
    (message,) = queue.receive(wait_seconds=1)

    failures = queue.service.change_visibility_batch(queue.url, [(message.receipt_handle, 0)])

    assert failures == []
    assert [again.receive_count for again in queue.receive(wait_seconds=1)] == [2]


def test_an_extended_message_stays_hidden(queue: Queue) -> None:
    queue.send("1")
    (message,) = queue.receive(wait_seconds=1, hidden_seconds=1)

    queue.service.change_visibility_batch(queue.url, [(message.receipt_handle, 30)])

    assert queue.receive(wait_seconds=2) == []


def test_a_delayed_message_comes_when_it_is_due(queue: Queue) -> None:
    queue.service.send(queue.url, OutgoingMessage(body="later", delay_seconds=1))

    assert queue.receive() == []
    assert [message.body for message in queue.receive(wait_seconds=5)] == ["later"]


def test_counts_tell_visible_and_hidden(queue: Queue) -> None:
    queue.send("1", "2")
    queue.receive(1, wait_seconds=1)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    assert queue.service.queue_attributes(queue.url, names) == dict.fromkeys(names, "1")


def test_ten_messages_settle_in_one_batch(queue: Queue) -> None:
    queue.send(*map(str, range(10)))
    messages: list[ReceivedMessage] = []
    while len(messages) < 10:
        messages += queue.receive(wait_seconds=1)

    queue.delete(messages)

    assert queue.receive() == []


def test_a_handle_that_sqs_never_gave_is_the_only_one_refused(queue: Queue) -> None:
    queue.send("1")
    (message,) = queue.receive(wait_seconds=1)
    nonsense = ReceiptHandle("nonsense")

    (failure,) = queue.service.delete_batch(queue.url, [message.receipt_handle, nonsense])

    assert (failure.receipt_handle, failure.sender_fault) == (nonsense, True)
    assert isinstance(failure.error, StaleReceiptError)


def test_the_visibility_of_a_deleted_message_cannot_change(queue: Queue) -> None:
    queue.send("1")
    (message,) = queue.receive(wait_seconds=1)
    queue.delete([message])

    (failure,) = queue.service.change_visibility_batch(queue.url, [(message.receipt_handle, 5)])

    assert failure.receipt_handle == message.receipt_handle
    assert failure.sender_fault


@pytest.mark.parametrize("entries", [0, 11])
def test_a_batch_of_another_size_is_refused(queue: Queue, entries: int) -> None:
    handles = [ReceiptHandle(str(number)) for number in range(entries)]

    with pytest.raises(InvalidRequestError):
        queue.service.delete_batch(queue.url, handles)
    with pytest.raises(InvalidRequestError):
        queue.service.change_visibility_batch(queue.url, [(handle, 0) for handle in handles])


def test_the_largest_message_passes(queue: Queue) -> None:
    queue.send("x" * SQS_MESSAGE_BYTES)

    (message,) = queue.receive(wait_seconds=1)

    assert len(message.body) == SQS_MESSAGE_BYTES


@pytest.mark.parametrize(
    "body", ["x" * (SQS_MESSAGE_BYTES + 1), "é" * (SQS_MESSAGE_BYTES // 2 + 1)]
)
def test_a_larger_message_is_refused(queue: Queue, body: str) -> None:
    with pytest.raises(InvalidRequestError):
        queue.send(body)


@pytest.mark.aws_only("message attributes do not count for the size")
def test_attributes_count_for_the_size(queue: Queue) -> None:
    attributes = {"name": {"DataType": "String", "StringValue": "x"}}
    body = "x" * SQS_MESSAGE_BYTES

    with pytest.raises(InvalidRequestError):
        queue.service.send(queue.url, OutgoingMessage(body=body, message_attributes=attributes))


def test_a_character_that_is_not_xml_is_refused(queue: Queue) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        queue.send("\x00")

    assert caught.value.code == "InvalidMessageContents"


@pytest.mark.aws_only("DelaySeconds above 900 is accepted")
def test_a_delay_above_900_s_is_refused(queue: Queue) -> None:
    with pytest.raises(InvalidRequestError):
        queue.service.send(queue.url, OutgoingMessage(body="x", delay_seconds=901))


@pytest.mark.aws_only("a visibility timeout above 12 h is accepted")
def test_a_visibility_timeout_above_12_h_is_refused(queue: Queue) -> None:
    with pytest.raises(InvalidRequestError):
        queue.receive(hidden_seconds=43_201)


@pytest.mark.aws_only("12 h are not counted from the receive")
def test_an_extension_beyond_12_h_from_the_receive_is_refused(queue: Queue) -> None:
    queue.send("1")
    (message,) = queue.receive(hidden_seconds=43_200)
    queue.receive(wait_seconds=1)

    (failure,) = queue.service.change_visibility_batch(
        queue.url, [(message.receipt_handle, 43_200)]
    )

    assert failure.sender_fault


def test_attributes_are_received_as_they_were_sent(queue: Queue) -> None:
    attributes: dict[str, dict[str, Any]] = {
        "text": {"DataType": "String", "StringValue": "é"},
        "number": {"DataType": "Number", "StringValue": "7"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    queue.service.send(queue.url, OutgoingMessage(body="x", message_attributes=attributes))

    (message,) = queue.receive(wait_seconds=1)

    assert message.message_attributes == attributes


def test_messages_of_a_standard_queue_may_have_a_group(queue: Queue) -> None:
    queue.service.send(queue.url, OutgoingMessage(body="1", message_group_id="tenant-7"))

    (message,) = queue.receive(wait_seconds=1)

    assert message.message_group_id == "tenant-7"


@pytest.mark.aws_only("MessageDeduplicationId on a standard queue is accepted")
def test_messages_of_a_standard_queue_have_no_deduplication_id(queue: Queue) -> None:
    with pytest.raises(InvalidRequestError):
        queue.service.send(queue.url, OutgoingMessage(body="1", message_deduplication_id="d"))
