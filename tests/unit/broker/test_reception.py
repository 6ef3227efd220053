import pytest

from celery_aws.broker.give_backs import give_backs
from celery_aws.broker.message import Receipt
from celery_aws.broker.reception import Received, Reception
from celery_aws.broker.status import delivery_status
from celery_aws.core.large_messages import dump_pointer
from celery_aws.core.messages import OutgoingMessage, S3Pointer
from celery_aws.errors import QueueNotFoundError
from celery_aws.names import AmqpQueue, BucketName, ObjectKey
from celery_aws.testing.clock import START
from tests.unit.broker.acking import LONG_SECONDS
from tests.unit.broker.conftest import PATIENCE_SECONDS, QUEUE, Bench


@pytest.fixture
def reception(bench: Bench) -> Reception:
    return bench.new_reception()


def receive(reception: Reception, queue: AmqpQueue = QUEUE) -> Received:
    return reception.receive(queue, max_messages=10, wait_seconds=0)


def receive_one(bench: Bench, reception: Reception) -> Receipt:
    bench.send("1")
    ((_, receipt),) = receive(reception).messages
    return receipt


def bodies(received: Received) -> list[str]:
    return [message.body for message, _ in received.messages]


def test_what_comes_is_leased(bench: Bench, reception: Reception) -> None:
    bench.send("1", "2")

    received = receive(reception)

    assert bodies(received) == ["1", "2"]
    assert bench.leases.held == 2
    assert all(reception.valid(receipt) for _, receipt in received.messages)
    assert received.known == 0


def test_an_answer_without_a_message_is_one(bench: Bench, reception: Reception) -> None:
    bench.clock.advance(7)

    received = receive(reception)

    assert received == Received(answered_at=bench.clock.now())
    assert received.answered_at > START
    assert not bench.leases.alive


def test_what_is_worked_on_here_is_passed_over(
    bench: Bench, reception: Reception, caplog: pytest.LogCaptureFixture
) -> None:
    before = delivery_status()
    bench.sqs.faults.deliver_twice()
    receive_one(bench, reception)
    bench.send("2")

    received = receive(reception)

    assert (bodies(received), received.known) == (["2"], 1)
    assert "received 1 message(s) again that are worked on here" in caplog.text
    now = delivery_status()
    assert (now.received - before.received, now.known - before.known) == (3, 1)


def test_what_is_finished_and_comes_again_is_deleted(bench: Bench) -> None:
    bench.acker = bench.new_acker(linger_seconds=LONG_SECONDS)
    reception = bench.new_reception()
    bench.sqs.faults.deliver_twice()
    bench.acker.delete(receive_one(bench, reception))

    assert (receive(reception).messages, bench.bodies()) == ([], ["1"])

    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.bodies() == []


def test_what_cannot_be_read_now_is_given_back_for_later(
    bench: Bench, reception: Reception
) -> None:
    elsewhere = S3Pointer(bucket=BucketName("elsewhere"), key=ObjectKey("k"))
    bench.send(dump_pointer(elsewhere), "2")

    assert bodies(receive(reception)) == ["2"]

    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.visible() == []
    assert bench.leases.held == 1
    bench.clock.advance(60)
    assert bench.visible() == [dump_pointer(elsewhere)]


def test_a_fifo_queue_is_asked_for_one_message_at_a_time(
    bench: Bench, reception: Reception
) -> None:
    queue = AmqpQueue("orders.fifo")
    address = bench.address(queue)
    for number in range(2):
        address.service.send(
            address.url,
            OutgoingMessage(
                body=str(number), message_group_id="one", message_deduplication_id=str(number)
            ),
        )

    assert bodies(receive(reception, queue)) == ["0"]
    assert bodies(receive(reception, queue)) == []


def test_a_queue_that_is_gone_is_looked_for_again(bench: Bench, reception: Reception) -> None:
    bench.sqs.delete_queue(bench.address().url)
    with pytest.raises(QueueNotFoundError):
        receive(reception)

    bench.clock.advance(60)

    assert receive(reception).messages == []


def test_what_is_given_back_is_visible_and_was_seen_by_nobody(
    bench: Bench, reception: Reception
) -> None:
    receipt = receive_one(bench, reception)

    reception.give_back([receipt])

    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.visible() == ["1"]
    assert give_backs().times(receipt.message_id) == 1


def test_what_is_discarded_is_left_to_its_visibility_timeout(
    bench: Bench, reception: Reception, caplog: pytest.LogCaptureFixture
) -> None:
    before = delivery_status()
    receipt = receive_one(bench, reception)

    reception.discard(receipt)

    assert not reception.valid(receipt)
    assert bench.leases.held == 0
    assert (bench.bodies(), bench.visible()) == (["1"], [])
    assert delivery_status().discarded - before.discarded == 1
    assert "lease had ended" in caplog.text


def test_what_has_expired_is_deleted(bench: Bench, reception: Reception) -> None:
    before = delivery_status()
    mortal = '{"body": "{}", "properties": {"expiration": "2000"}, "headers": {}}'
    bench.send(mortal, "2")
    bench.clock.advance(3)

    received = receive(reception)

    assert (bodies(received), received.expired) == (["2"], 1)
    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.bodies() == ["2"]
    assert delivery_status().expired - before.expired == 1


def test_what_expires_later_is_delivered(bench: Bench, reception: Reception) -> None:
    mortal = '{"body": "{}", "properties": {"expiration": "2000"}, "headers": {}}'
    bench.send(mortal)
    bench.clock.advance(1)

    assert bodies(receive(reception)) == [mortal]
