"""What the contract suite cannot show: faults, hours, and what a test may ask the double."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.errors import (
    InvalidRequestError,
    QueueNotFoundError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.limits import SQS_MESSAGE_BYTES
from celery_aws.names import QueueName, QueueUrl
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs

T = TypeVar("T")
NAME = QueueName("queue")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sqs(clock: FakeClock) -> MemorySqs:
    return MemorySqs(clock)


@pytest.fixture
def url(sqs: MemorySqs) -> QueueUrl:
    return sqs.create_queue(NAME, {}, {})


def send(sqs: MemorySqs, url: QueueUrl, *bodies: str) -> None:
    for body in bodies:
        sqs.send(url, OutgoingMessage(body=body))


def batch(*bodies: str) -> list[OutgoingMessage]:
    return [OutgoingMessage(body=body) for body in bodies]


def receive(
    sqs: MemorySqs, url: QueueUrl, *, wait_seconds: int = 0, hidden_seconds: int = 30
) -> list[ReceivedMessage]:
    return sqs.receive(
        url,
        max_messages=10,
        wait_seconds=wait_seconds,
        visibility_timeout_seconds=hidden_seconds,
    )


class Background:
    """Runs one call in a thread, and has its result when asked."""

    def __init__(self, call: Callable[[], list[ReceivedMessage]]) -> None:
        self._results: list[list[ReceivedMessage]] = []
        self._errors: list[Exception] = []
        self._thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()

    def _run(self, call: Callable[[], list[ReceivedMessage]]) -> None:
        try:
            self._results.append(call())
        except Exception as error:  # noqa: BLE001 - handed to the test
            self._errors.append(error)

    def result(self) -> list[ReceivedMessage]:
        self._thread.join(10)
        if self._errors:
            raise self._errors[0]
        return self._results[0]


def test_a_long_poll_ends_when_a_message_comes(sqs: MemorySqs, url: QueueUrl) -> None:
    poll = Background(lambda: receive(sqs, url, wait_seconds=20))
    assert sqs.wait_until(lambda: sqs.polls_under_way == 1)

    send(sqs, url, "1")

    assert [message.body for message in poll.result()] == ["1"]
    assert sqs.polls_under_way == 0


def test_a_long_poll_ends_at_its_deadline(sqs: MemorySqs, url: QueueUrl, clock: FakeClock) -> None:
    poll = Background(lambda: receive(sqs, url, wait_seconds=20))
    assert sqs.wait_until(lambda: sqs.polls_under_way == 1)

    clock.advance(20)

    assert poll.result() == []


def test_a_long_poll_gets_a_message_whose_timeout_ends(
    sqs: MemorySqs, url: QueueUrl, clock: FakeClock
) -> None:
    send(sqs, url, "1")
    receive(sqs, url, hidden_seconds=10)
    poll = Background(lambda: receive(sqs, url, wait_seconds=20))
    assert sqs.wait_until(lambda: sqs.polls_under_way == 1)

    clock.advance(10)

    assert [message.receive_count for message in poll.result()] == [2]


def test_a_long_poll_hears_that_its_queue_was_deleted(sqs: MemorySqs, url: QueueUrl) -> None:
    poll = Background(lambda: receive(sqs, url, wait_seconds=20))
    assert sqs.wait_until(lambda: sqs.polls_under_way == 1)

    sqs.delete_queue(url)

    with pytest.raises(QueueNotFoundError):
        poll.result()


def test_closing_ends_long_polls(sqs: MemorySqs, url: QueueUrl) -> None:
    poll = Background(lambda: receive(sqs, url, wait_seconds=20))
    assert sqs.wait_until(lambda: sqs.polls_under_way == 1)

    sqs.close()

    assert poll.result() == []
    assert receive(sqs, url, wait_seconds=20) == []


def test_a_name_is_free_again_after_a_minute(sqs: MemorySqs, clock: FakeClock) -> None:
    sqs.delete_queue(sqs.create_queue(NAME, {}, {}))
    clock.advance(59)
    with pytest.raises(ThrottledError):
        sqs.create_queue(NAME, {}, {})

    clock.advance(1)

    assert sqs.create_queue(NAME, {}, {}).endswith(NAME)


def test_a_purge_is_possible_again_after_a_minute(
    sqs: MemorySqs, url: QueueUrl, clock: FakeClock
) -> None:
    sqs.purge_queue(url)
    clock.advance(60)

    sqs.purge_queue(url)


def test_extensions_end_12_hours_after_the_receive(
    sqs: MemorySqs, url: QueueUrl, clock: FakeClock
) -> None:
    send(sqs, url, "1")
    (message,) = receive(sqs, url, hidden_seconds=43_200)
    clock.advance(43_190)

    assert sqs.change_visibility_batch(url, [(message.receipt_handle, 10)]) == []
    (failure,) = sqs.change_visibility_batch(url, [(message.receipt_handle, 11)])

    assert failure.sender_fault


def test_a_stale_handle_deletes_nothing(sqs: MemorySqs, url: QueueUrl, clock: FakeClock) -> None:
    send(sqs, url, "1")
    (stale,) = receive(sqs, url, hidden_seconds=10)
    clock.advance(10)
    receive(sqs, url)

    assert sqs.delete_batch(url, [stale.receipt_handle]) == []
    assert len(sqs.messages(NAME)) == 1


def test_messages_end_with_their_retention(sqs: MemorySqs, clock: FakeClock) -> None:
    url = sqs.create_queue(NAME, {"MessageRetentionPeriod": "60"}, {})
    send(sqs, url, "1")

    clock.advance(61)

    assert receive(sqs, url) == []


def test_a_duplicate_after_five_minutes_is_none(sqs: MemorySqs, clock: FakeClock) -> None:
    url = sqs.create_queue(QueueName("queue.fifo"), {"FifoQueue": "true"}, {})
    message = OutgoingMessage(body="1", message_group_id="g", message_deduplication_id="d")
    first = sqs.send(url, message)
    clock.advance(300)

    assert sqs.send(url, message) != first


def test_a_failure_is_raised_before_anything_happens(sqs: MemorySqs, url: QueueUrl) -> None:
    sqs.faults.fail("SendMessage", ThrottledError("slow down"), times=2)

    for _ in range(2):
        with pytest.raises(ThrottledError):
            send(sqs, url, "1")
    send(sqs, url, "2")

    assert [message.body for message in sqs.messages(NAME)] == ["2"]


def test_a_lost_reply_comes_after_the_effect(sqs: MemorySqs, url: QueueUrl) -> None:
    sqs.faults.lose_reply("SendMessage")

    with pytest.raises(UnreachableError):
        send(sqs, url, "1")

    assert [message.body for message in sqs.messages(NAME)] == ["1"]


def test_refused_entries_are_left_alone(sqs: MemorySqs, url: QueueUrl) -> None:
    send(sqs, url, "1", "2")
    handles = [message.receipt_handle for message in receive(sqs, url)]
    sqs.faults.refuse_entries("DeleteMessageBatch")

    (failure,) = sqs.delete_batch(url, handles)

    assert (failure.receipt_handle, failure.sender_fault) == (handles[0], False)
    assert [message.body for message in sqs.messages(NAME)] == ["1"]


def test_refused_messages_of_a_batch_are_not_sent(sqs: MemorySqs, url: QueueUrl) -> None:
    sqs.faults.refuse_entries("SendMessageBatch", entries=2)

    failures = sqs.send_batch(url, batch("1", "2", "3"))

    assert [(failed.index, failed.sender_fault) for failed in failures] == [(0, False), (1, False)]
    assert [message.body for message in sqs.messages(NAME)] == ["3"]
    assert sqs.send_batch(url, batch("1", "2")) == []


def test_a_batch_is_there_although_its_reply_was_lost(sqs: MemorySqs, url: QueueUrl) -> None:
    sqs.faults.lose_reply("SendMessageBatch")

    with pytest.raises(UnreachableError):
        sqs.send_batch(url, batch("1", "2"))

    assert [message.body for message in sqs.messages(NAME)] == ["1", "2"]


def test_nothing_of_a_batch_that_fails_is_there(sqs: MemorySqs, url: QueueUrl) -> None:
    sqs.faults.fail("SendMessageBatch", ThrottledError("slow down"))

    with pytest.raises(ThrottledError):
        sqs.send_batch(url, batch("1", "2"))

    assert sqs.messages(NAME) == []
    assert [call.entries for call in sqs.calls if call.operation == "SendMessageBatch"] == [2]


def test_attributes_count_for_the_size_of_a_batch(sqs: MemorySqs, url: QueueUrl) -> None:
    name = {"name": {"DataType": "String", "StringValue": "x"}}
    messages = [*batch("x" * (SQS_MESSAGE_BYTES - 1)), OutgoingMessage(body="x")]
    assert sqs.send_batch(url, messages) == []

    with pytest.raises(InvalidRequestError):
        sqs.send_batch(url, [messages[0], replace(messages[1], message_attributes=name)])


def test_a_long_poll_ends_when_a_batch_comes(sqs: MemorySqs, url: QueueUrl) -> None:
    poll = Background(lambda: receive(sqs, url, wait_seconds=20))
    assert sqs.wait_until(lambda: sqs.polls_under_way == 1)

    sqs.send_batch(url, batch("1", "2"))

    assert [message.body for message in poll.result()] == ["1", "2"]


def test_a_message_can_be_delivered_twice(sqs: MemorySqs, url: QueueUrl) -> None:
    send(sqs, url, "1")
    sqs.faults.deliver_twice()

    counts = [receive(sqs, url)[0].receive_count for _ in range(2)]

    assert counts == [1, 2]
    assert receive(sqs, url) == []


def test_requests_are_recorded(sqs: MemorySqs, url: QueueUrl) -> None:
    send(sqs, url, "1", "2")
    sqs.delete_batch(url, [message.receipt_handle for message in receive(sqs, url)])

    assert sqs.count("SendMessage") == 2
    assert [call.entries for call in sqs.calls if call.operation == "DeleteMessageBatch"] == [2]


def test_messages_of_a_missing_queue_are_none(sqs: MemorySqs) -> None:
    assert sqs.messages(QueueName("nobody")) == []
