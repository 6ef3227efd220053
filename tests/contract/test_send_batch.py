"""Messages sent together: what every QueueService must do with them."""

import pytest

from celery_aws.aws.sqs import QueueService
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.errors import InvalidRequestError, QueueNotFoundError
from celery_aws.limits import SQS_MESSAGE_BYTES
from celery_aws.names import QueueName, QueueUrl

MISSING = QueueUrl("http://localhost/000000000000/there-is-no-such-queue")


@pytest.fixture
def url(queue_service: QueueService, name: QueueName) -> QueueUrl:
    return queue_service.create_queue(name, {}, {})


@pytest.fixture
def fifo_url(queue_service: QueueService, name: QueueName) -> QueueUrl:
    return queue_service.create_queue(QueueName(f"{name}.fifo"), {"FifoQueue": "true"}, {})


def messages(*bodies: str) -> list[OutgoingMessage]:
    return [OutgoingMessage(body=body) for body in bodies]


def received(service: QueueService, url: QueueUrl, count: int) -> list[ReceivedMessage]:
    """All that can be received; ``count`` of them are waited for."""
    found: list[ReceivedMessage] = []
    while True:
        wait_seconds = 5 if len(found) < count else 0
        batch = service.receive(
            url, max_messages=10, wait_seconds=wait_seconds, visibility_timeout_seconds=60
        )
        if not batch:
            return found
        found += batch


def test_ten_messages_are_sent_in_one_request(queue_service: QueueService, url: QueueUrl) -> None:
    bodies = [str(number) for number in range(10)]

    assert queue_service.send_batch(url, messages(*bodies)) == []

    assert sorted(message.body for message in received(queue_service, url, 10)) == bodies


def test_each_message_keeps_what_it_says(queue_service: QueueService, url: QueueUrl) -> None:
    attributes = {"trace": {"DataType": "String", "StringValue": "1-2"}}
    batch = [
        OutgoingMessage(body="later", delay_seconds=900),
        OutgoingMessage(body="grouped", message_group_id="tenant-7"),
        OutgoingMessage(body="traced", message_attributes=attributes, delay_seconds=0),
    ]

    assert queue_service.send_batch(url, batch) == []

    found = {message.body: message for message in received(queue_service, url, 2)}
    assert set(found) == {"grouped", "traced"}
    assert found["grouped"].message_group_id == "tenant-7"
    assert found["traced"].message_attributes == attributes
    delayed = "ApproximateNumberOfMessagesDelayed"
    assert queue_service.queue_attributes(url, [delayed]) == {delayed: "1"}


@pytest.mark.parametrize("entries", [0, 11])
def test_a_batch_of_another_size_is_refused(
    queue_service: QueueService, url: QueueUrl, entries: int
) -> None:
    with pytest.raises(InvalidRequestError):
        queue_service.send_batch(url, messages(*["x"] * entries))


def test_the_largest_batch_passes(queue_service: QueueService, url: QueueUrl) -> None:
    half = "x" * (SQS_MESSAGE_BYTES // 2)

    assert queue_service.send_batch(url, messages(half, half)) == []


def test_a_batch_that_is_larger_together_is_refused_as_a_whole(
    queue_service: QueueService, url: QueueUrl
) -> None:
    half = "é" * (SQS_MESSAGE_BYTES // 4)

    with pytest.raises(InvalidRequestError) as caught:
        queue_service.send_batch(url, messages(half, half, "x"))

    assert caught.value.code == "AWS.SimpleQueueService.BatchRequestTooLong"
    assert received(queue_service, url, 0) == []


def test_a_message_that_is_refused_is_the_only_one(
    queue_service: QueueService, url: QueueUrl
) -> None:
    (failure,) = queue_service.send_batch(url, messages("1", "\x00", "2"))

    assert (failure.index, failure.sender_fault) == (1, True)
    assert isinstance(failure.error, InvalidRequestError)
    assert failure.error.code == "InvalidMessageContents"
    assert sorted(message.body for message in received(queue_service, url, 2)) == ["1", "2"]


def test_a_message_larger_than_its_queue_takes_is_the_only_one_refused(
    queue_service: QueueService, name: QueueName
) -> None:
    url = queue_service.create_queue(name, {"MaximumMessageSize": "1024"}, {})

    (failure,) = queue_service.send_batch(url, messages("x" * 1_024, "x" * 1_025))

    assert (failure.index, failure.sender_fault) == (1, True)


@pytest.mark.aws_only("DelaySeconds above 900 is accepted")
def test_a_delay_above_900_s_is_refused(queue_service: QueueService, url: QueueUrl) -> None:
    batch = [*messages("1"), OutgoingMessage(body="2", delay_seconds=901)]

    (failure,) = queue_service.send_batch(url, batch)

    assert (failure.index, failure.sender_fault) == (1, True)


def test_a_fifo_queue_keeps_the_order_of_a_batch(
    queue_service: QueueService, fifo_url: QueueUrl
) -> None:
    batch = [
        OutgoingMessage(body=body, message_group_id="g", message_deduplication_id=body)
        for body in "12345"
    ]

    assert queue_service.send_batch(fifo_url, batch) == []

    assert [message.body for message in received(queue_service, fifo_url, 5)] == list("12345")


def test_a_fifo_queue_drops_a_duplicate_and_calls_it_accepted(
    queue_service: QueueService, fifo_url: QueueUrl
) -> None:
    message = OutgoingMessage(body="1", message_group_id="g", message_deduplication_id="d")

    assert queue_service.send_batch(fifo_url, [message, message]) == []
    assert queue_service.send_batch(fifo_url, [message]) == []

    assert len(received(queue_service, fifo_url, 1)) == 1


def test_a_fifo_queue_refuses_only_the_message_with_a_delay(
    queue_service: QueueService, fifo_url: QueueUrl
) -> None:
    batch = [
        OutgoingMessage(
            body=body, message_group_id="g", message_deduplication_id=body, delay_seconds=delay
        )
        for body, delay in (("1", None), ("2", 5), ("3", None))
    ]

    (failure,) = queue_service.send_batch(fifo_url, batch)

    assert (failure.index, failure.sender_fault) == (1, True)


def test_a_missing_queue_is_not_found(queue_service: QueueService) -> None:
    with pytest.raises(QueueNotFoundError):
        queue_service.send_batch(MISSING, messages("1"))
