import json
from dataclasses import replace
from typing import Any

import pytest

from celery_aws.broker.dead_letters import (
    DeadLetters,
    Rejected,
)
from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.errands import Disposal
from celery_aws.broker.message import Receipt
from celery_aws.broker.queue_attributes import FACTS_SECONDS, queue_attributes
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.errors import (
    AccessDeniedError,
    InvalidRequestError,
    QueueNotFoundError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import NAME, QUEUE, Bench

DEAD = QueueName("celery-dead-letter")
GRAVEYARD = QueueName("graveyard")
FIFO = AmqpQueue("orders.fifo")
ATTRIBUTES = {"tenant": {"DataType": "String", "StringValue": "7"}}


class Letter:
    """A message that was received, and what becomes of it."""

    def __init__(self, bench: Bench, queue: AmqpQueue = QUEUE, **outgoing: Any) -> None:
        self.bench = bench
        self.dead_letters = DeadLetters(bench.clock)
        address = bench.address(queue)
        bench.sqs.send(address.url, OutgoingMessage(body="task", **outgoing))
        self.message: ReceivedMessage = bench.sqs.receive(
            address.url, max_messages=1, wait_seconds=0, visibility_timeout_seconds=30
        )[0]
        self.receipt = Receipt(queue=queue, address=address, handle=self.message.receipt_handle)
        self._before = len(bench.sqs.calls)

    def disposed(self, *, move: bool = True) -> Disposal:
        return self.dead_letters.dispose(self.receipt, Rejected(message=self.message, move=move))

    def come_from(self, service: "Telling") -> None:
        address = QueueAddress(url=self.receipt.address.url, service=service)  # type: ignore[arg-type]
        self.receipt = replace(self.receipt, address=address)

    def asked(self) -> list[str]:
        return [call.operation for call in self.bench.sqs.calls[self._before :]]


class Telling:
    """A queue's service, but for what it says of dead letters."""

    def __init__(self, sqs: MemorySqs, arn: str) -> None:
        self.queue_url = sqs.queue_url
        self.send = sqs.send
        self.arn = arn

    def queue_attributes(self, *_: object) -> dict[str, str]:
        policy = {"deadLetterTargetArn": self.arn, "maxReceiveCount": 3}
        return {"RedrivePolicy": json.dumps(policy)}


@pytest.fixture
def letter(bench: Bench) -> Letter:
    return Letter(bench)


def arn_of(bench: Bench, name: QueueName) -> str:
    return bench.sqs.queue_attributes(bench.sqs.queue_url(name), ["QueueArn"])["QueueArn"]


def test_a_message_is_moved_as_it_was_received(bench: Bench) -> None:
    letter = Letter(bench, message_group_id="tenant-7", message_attributes=ATTRIBUTES)

    assert letter.disposed() is Disposal.MOVED

    (moved,) = bench.sqs.messages(DEAD)
    assert (moved.body, moved.group, moved.attributes) == ("task", "tenant-7", ATTRIBUTES)


def test_one_of_a_fifo_queue_is_moved_once_however_often_it_is_tried(bench: Bench) -> None:
    letter = Letter(bench, FIFO, message_group_id="g", message_deduplication_id="d")
    bench.sqs.faults.lose_reply("SendMessage")
    with pytest.raises(UnreachableError):
        letter.disposed()

    assert letter.disposed() is Disposal.MOVED

    (moved,) = bench.sqs.messages(QueueName("orders-dead-letter.fifo"))
    assert (moved.body, moved.group) == ("task", "g")


def test_what_shall_not_move_is_left(bench: Bench, letter: Letter) -> None:
    assert letter.disposed(move=False) is Disposal.LEFT

    assert bench.bodies(DEAD) == []


@pytest.mark.parametrize("move", [True, False])
def test_without_a_dead_letter_queue_it_is_to_be_deleted(bench: Bench, move: bool) -> None:
    bench.directory = bench.new_directory(max_receive_count=0)

    assert Letter(bench).disposed(move=move) is Disposal.UNWANTED


def test_the_queue_is_looked_up_once_in_five_minutes(bench: Bench, letter: Letter) -> None:
    letter.disposed()
    letter.disposed()
    assert letter.asked() == ["GetQueueAttributes", "GetQueueUrl", "SendMessage", "SendMessage"]

    bench.clock.advance(FACTS_SECONDS)
    letter.disposed()
    assert letter.asked()[4:] == ["GetQueueAttributes", "GetQueueUrl", "SendMessage"]


def test_a_changed_policy_is_noticed_however_late_somebody_else_asked(
    bench: Bench, letter: Letter
) -> None:
    telling = Telling(bench.sqs, arn_of(bench, DEAD))
    letter.come_from(telling)
    queue_attributes(bench.clock).facts(letter.receipt.address)
    bench.clock.advance(FACTS_SECONDS - 1)
    assert letter.disposed() is Disposal.MOVED

    bench.sqs.create_queue(GRAVEYARD, {}, {})
    telling.arn = arn_of(bench, GRAVEYARD)
    bench.clock.advance(1)

    assert letter.disposed() is Disposal.MOVED
    assert bench.bodies(DEAD) == bench.bodies(GRAVEYARD) == ["task"]


@pytest.mark.parametrize("operation", ["GetQueueAttributes", "GetQueueUrl", "SendMessage"])
def test_what_cannot_be_moved_is_left_with_one_warning(
    bench: Bench, letter: Letter, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench.sqs.faults.fail(operation, AccessDeniedError("not for you"), times=2)

    assert letter.disposed() is Disposal.LEFT
    bench.clock.advance(FACTS_SECONDS)
    assert letter.disposed() is Disposal.LEFT

    (record,) = caplog.records
    assert "not for you" in record.message
    assert "Grant sqs:GetQueueAttributes" in record.message


@pytest.mark.parametrize("error", [AccessDeniedError("no"), QueueNotFoundError("gone")])
def test_a_queue_that_takes_nothing_is_not_tried_for_every_message(
    bench: Bench, letter: Letter, error: Exception
) -> None:
    bench.sqs.faults.fail("SendMessage", error)

    assert letter.disposed() is Disposal.LEFT
    assert letter.disposed() is Disposal.LEFT
    assert letter.asked().count("SendMessage") == 1

    bench.clock.advance(FACTS_SECONDS)
    assert letter.disposed() is Disposal.MOVED


def test_a_message_that_is_refused_says_nothing_about_the_next(
    bench: Bench, letter: Letter
) -> None:
    bench.sqs.faults.fail("SendMessage", InvalidRequestError("too large for this queue"))

    assert letter.disposed() is Disposal.LEFT
    assert letter.disposed() is Disposal.MOVED


@pytest.mark.parametrize("operation", ["GetQueueAttributes", "GetQueueUrl", "SendMessage"])
def test_what_fails_for_now_is_to_be_tried_again(
    bench: Bench, letter: Letter, operation: str
) -> None:
    bench.sqs.faults.fail(operation, ThrottledError("slow down"))

    with pytest.raises(ThrottledError):
        letter.disposed()

    assert letter.disposed() is Disposal.MOVED
    assert bench.bodies(DEAD) == ["task"]


@pytest.mark.parametrize(
    "arn", ["arn:aws:sqs:us-east-1:999999999999:celery-dead-letter", "graveyard"]
)
def test_a_queue_that_cannot_be_found_is_one_all_the_same(
    bench: Bench, letter: Letter, arn: str
) -> None:
    """In an account that may not be asked, or by an ARN that is none."""
    letter.come_from(Telling(bench.sqs, arn))

    assert letter.disposed() is Disposal.LEFT
    assert bench.bodies(NAME) == ["task"]
