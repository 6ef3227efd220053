import select
import threading
import time

import pytest

from celery_aws.broker.delivery import Delivery, DeliveryBuffer
from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.message import Receipt
from celery_aws.broker.receiver import Receiver, UnlimitedCredits
from celery_aws.core.messages import ReceivedMessage
from celery_aws.names import QueueUrl, ReceiptHandle
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import PATIENCE_SECONDS, QUEUE, Bench, take

ADDRESS = QueueAddress(url=QueueUrl("https://sqs.example/celery"), service=MemorySqs())


@pytest.fixture
def receiver(bench: Bench) -> Receiver:
    return bench.new_receiver(UnlimitedCredits())


def delivery(receiver: Receiver, body: str) -> Delivery:
    message = ReceivedMessage(message_id=body, body=body, receipt_handle=ReceiptHandle(body))
    receipt = Receipt(queue=QUEUE, address=ADDRESS, handle=message.receipt_handle)
    return Delivery(receiver=receiver, message=message, receipt=receipt)


def deliveries(receiver: Receiver, *bodies: str) -> list[Delivery]:
    return [delivery(receiver, body) for body in bodies]


def bodies(taken: list[Delivery]) -> list[str]:
    return [each.message.body for each in taken]


def readable(buffer: DeliveryBuffer, timeout_seconds: float = 0) -> bool:
    return bool(select.select([buffer.fileno()], [], [], timeout_seconds)[0])


def test_it_hands_out_in_order_and_no_more_than_asked_for(bench: Bench, receiver: Receiver) -> None:
    bench.buffer.put(deliveries(receiver, "1", "2", "3"))

    assert bodies(take(bench.buffer, 2)) == ["1", "2"]
    assert bodies(take(bench.buffer, 2)) == ["3"]
    assert take(bench.buffer, 2) == []


def test_the_descriptor_is_readable_while_there_is_something(
    bench: Bench, receiver: Receiver
) -> None:
    assert not readable(bench.buffer)

    bench.buffer.put(deliveries(receiver, "1", "2"))
    assert readable(bench.buffer)

    take(bench.buffer, 1)
    assert readable(bench.buffer)

    take(bench.buffer, 1)
    assert not readable(bench.buffer)


def test_what_came_before_the_first_look_at_the_descriptor_wakes_too(
    bench: Bench, receiver: Receiver
) -> None:
    bench.buffer.put(deliveries(receiver, "1"))

    assert readable(bench.buffer)


def test_many_puts_are_one_signal(bench: Bench, receiver: Receiver) -> None:
    bench.buffer.fileno()
    for _ in range(20_000):
        bench.buffer.put(deliveries(receiver, "1"))

    assert len(take(bench.buffer, 20_000)) == 20_000
    assert not readable(bench.buffer)


def test_a_failure_is_raised_once(bench: Bench, receiver: Receiver) -> None:
    bench.buffer.fileno()
    bench.buffer.put_failure(RuntimeError("bug"))
    assert readable(bench.buffer)

    with pytest.raises(RuntimeError, match="bug"):
        take(bench.buffer, 1)

    assert take(bench.buffer, 1) == []
    assert not readable(bench.buffer)


def test_a_failure_does_not_silence_what_came_with_it(bench: Bench, receiver: Receiver) -> None:
    bench.buffer.fileno()
    bench.buffer.put(deliveries(receiver, "1"))
    bench.buffer.put_failure(RuntimeError("bug"))
    with pytest.raises(RuntimeError, match="bug"):
        take(bench.buffer, 1)

    assert readable(bench.buffer)
    assert bodies(take(bench.buffer, 1)) == ["1"]


def test_discarding_takes_out_one_receivers_messages(bench: Bench, receiver: Receiver) -> None:
    other = bench.new_receiver(UnlimitedCredits())
    bench.buffer.put([delivery(receiver, "1"), delivery(other, "2"), delivery(receiver, "3")])

    assert bodies(bench.buffer.discard(receiver)) == ["1", "3"]
    assert bodies(take(bench.buffer, 3)) == ["2"]


def test_waiting_ends_when_something_comes(bench: Bench, receiver: Receiver) -> None:
    thread = threading.Thread(target=bench.buffer.put, args=(deliveries(receiver, "1"),))
    thread.start()

    assert bench.buffer.wait(PATIENCE_SECONDS)
    thread.join()


def test_waiting_ends_when_the_time_is_up(bench: Bench) -> None:
    assert not bench.buffer.wait(0)


def test_waiting_ends_when_it_is_closed(bench: Bench) -> None:
    thread = threading.Thread(target=bench.buffer.close)
    thread.start()

    assert bench.buffer.wait(PATIENCE_SECONDS)
    thread.join()


@pytest.mark.parametrize("before", [True, False])
def test_waiting_is_interrupted_once(bench: Bench, before: bool) -> None:
    thread = threading.Thread(target=bench.buffer.interrupt)
    thread.start()
    if before:
        thread.join()

    began = time.monotonic()
    assert not bench.buffer.wait(PATIENCE_SECONDS)
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    thread.join()

    began = time.monotonic()
    assert not bench.buffer.wait(0.05)
    assert time.monotonic() - began >= 0.05


def test_an_interrupted_loop_finds_nothing_once(bench: Bench, receiver: Receiver) -> None:
    bench.buffer.fileno()
    bench.buffer.interrupt()
    assert readable(bench.buffer)

    assert take(bench.buffer, 1) == []

    assert not readable(bench.buffer)
    bench.buffer.put(deliveries(receiver, "1"))
    assert readable(bench.buffer)


def test_closing_twice_and_putting_afterwards_is_no_error(bench: Bench, receiver: Receiver) -> None:
    bench.buffer.fileno()
    bench.buffer.close()
    bench.buffer.close()

    bench.buffer.put(deliveries(receiver, "1"))


@pytest.mark.parametrize("most", [1, 50])
def test_no_wake_up_is_lost_between_threads(bench: Bench, receiver: Receiver, most: int) -> None:
    """The consumer only looks when the socket says so: a lost signal would leave it asleep."""
    producers, each = 4, 500
    bench.buffer.fileno()

    def produce() -> None:
        for number in range(each):
            bench.buffer.put(deliveries(receiver, str(number)))

    threads = [threading.Thread(target=produce) for _ in range(producers)]
    for thread in threads:
        thread.start()
    taken = 0
    while taken < producers * each:
        assert readable(bench.buffer, PATIENCE_SECONDS), f"asleep after {taken}"
        taken += len(take(bench.buffer, most))
    for thread in threads:
        thread.join()

    assert not readable(bench.buffer)
