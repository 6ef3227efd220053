import logging
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest

from celery_aws.broker.delivery import Deliverable, Delivery, DeliveryBuffer
from celery_aws.broker.qos import SqsQoS
from celery_aws.broker.receiver import Receiver, UnlimitedCredits
from celery_aws.core.polling import IDLE_AFTER_SECONDS, SCARCE_WAIT_SECONDS, TURN_WAIT_SECONDS
from celery_aws.errors import (
    InvalidRequestError,
    ReceiverFailedError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.limits import SQS_WAIT_TIME_SECONDS_MAX
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing.clock import START, FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.acking import LONG_SECONDS
from tests.unit.broker.conftest import PATIENCE_SECONDS, QUEUE, Bench, message_of, take
from tests.unit.broker.early import send as send_early

OTHER = AmqpQueue("other")


def released(qos: SqsQoS, free: int) -> bool:
    """Wait until so many credits are free."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while qos.can_consume_max_estimate() != free and time.monotonic() < deadline:
        time.sleep(0.001)
    return qos.can_consume_max_estimate() == free


def taken(bench: Bench, count: int) -> list[Delivery]:
    """Take messages out of the buffer as they come."""
    deliveries: list[Delivery] = []
    while len(deliveries) < count:
        assert bench.buffer.wait(PATIENCE_SECONDS), f"{len(deliveries)} of {count} came"
        deliveries += take(bench.buffer, count - len(deliveries))
    return deliveries


def test_what_it_receives_goes_into_the_buffer(bench: Bench) -> None:
    bench.send("1", "2")
    receiver = bench.new_receiver(UnlimitedCredits())

    receiver.start()

    deliveries = taken(bench, 2)
    assert [each.message.body for each in deliveries] == ["1", "2"]
    assert all(each.receiver is receiver for each in deliveries)


def test_it_asks_for_no_more_than_its_credits(bench: Bench) -> None:
    bench.send(*map(str, range(5)))
    qos = bench.new_qos(prefetch_count=3)

    bench.new_receiver(qos).start()

    taken(bench, 3)
    assert qos.can_consume_max_estimate() == 0
    assert bench.visible() == ["3", "4"]


def test_delivering_hands_the_message_on(bench: Bench) -> None:
    bench.send("1")
    receiver = bench.new_receiver(UnlimitedCredits())
    receiver.start()

    for delivery in taken(bench, 1):
        receiver.deliver(delivery)

    assert [message.body for message in bench.delivered] == ["1"]


def test_a_message_delivered_after_the_cancel_is_given_back(bench: Bench) -> None:
    bench.send("1")
    qos = bench.new_qos(prefetch_count=1)
    receiver = bench.new_receiver(qos)
    receiver.start()
    deliveries = taken(bench, 1)
    receiver.stop(0)

    receiver.deliver(deliveries[0])

    assert bench.delivered == []
    assert bench.sqs.wait_until(lambda: bench.visible() == ["1"])
    assert qos.can_consume_max_estimate() == 1


def test_what_a_poll_brings_after_the_cancel_is_given_back(bench: Bench) -> None:
    qos = bench.new_qos(prefetch_count=4)
    receiver = bench.new_receiver(qos)
    receiver.start()
    assert bench.poll_begins()

    receiver.stop(0)
    bench.send("1", "2")

    assert receiver.stop(PATIENCE_SECONDS)
    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.visible() == ["1", "2"]
    assert not bench.buffer.wait(0)
    assert qos.can_consume_max_estimate() == 4


def test_a_cancel_between_poll_and_buffer_loses_nothing(bench: Bench) -> None:
    """Cancelled after it last looked: nobody else will look into the buffer for it."""

    class CancelledBuffer(DeliveryBuffer):
        def put(self, deliveries: Iterable[Deliverable]) -> None:
            receiver.stop(0)
            assert self.discard(receiver) == []
            super().put(deliveries)

    bench.send("1")
    bench.buffer = CancelledBuffer()
    qos = bench.new_qos(prefetch_count=1)
    receiver = bench.new_receiver(qos)
    receiver.start()

    assert bench.sqs.wait_until(lambda: bench.sqs.count("ChangeMessageVisibilityBatch") == 1)
    assert receiver.stop(PATIENCE_SECONDS)
    assert bench.visible() == ["1"]
    assert qos.can_consume_max_estimate() == 1


def test_it_ends_while_it_waits_for_credits(bench: Bench) -> None:
    qos = bench.new_qos(prefetch_count=1)
    bench.send("1", "2")
    receiver = bench.new_receiver(qos)
    receiver.start()
    taken(bench, 1)

    assert receiver.stop(PATIENCE_SECONDS)


def test_a_failed_poll_is_tried_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.send("1")
    bench.sqs.faults.fail("ReceiveMessage", UnreachableError("no route"))
    bench.sqs.faults.fail("ReceiveMessage", ThrottledError("slow down"))
    qos = bench.new_qos(prefetch_count=2)
    receiver = bench.new_receiver(qos)

    receiver.start()

    taken(bench, 1)
    assert "1 in a row), trying again in 0.0 s: no route" in caplog.text
    assert "2 in a row), trying again in 0.0 s: slow down" in caplog.text
    assert "queue celery: receiving again" in caplog.text


def test_a_failure_gives_its_credits_back(bench: Bench) -> None:
    bench.send("1")
    bench.sqs.faults.fail("ReceiveMessage", UnreachableError("no route"), times=3)
    qos = bench.new_qos(prefetch_count=5)
    bench.new_receiver(qos).start()

    taken(bench, 1)
    assert bench.poll_begins()

    assert qos.can_consume_max_estimate() == 0  # one waits in the buffer, four are asked for
    assert [call.operation for call in bench.sqs.calls].count("ReceiveMessage") == 5


def test_a_queue_that_comes_back_is_found_again(bench: Bench) -> None:
    bench.address()
    receiver = bench.new_receiver(UnlimitedCredits())
    receiver.start()
    assert bench.poll_begins()

    bench.sqs.delete_queue(bench.address().url)
    assert bench.poll_begins(0)
    bench.clock.advance(60)
    assert bench.poll_begins()
    bench.send("1")

    assert [each.message.body for each in taken(bench, 1)] == ["1"]


def test_a_bug_is_handed_to_the_delivering_thread(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.sqs.faults.fail("ReceiveMessage", ZeroDivisionError("a bug"))
    qos = bench.new_qos(prefetch_count=2)
    receiver = bench.new_receiver(qos)

    receiver.start()

    assert bench.buffer.wait(PATIENCE_SECONDS)
    with pytest.raises(ReceiverFailedError) as caught:
        take(bench.buffer, 1)
    assert caught.value.queue == "celery"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert receiver.stop(PATIENCE_SECONDS)
    assert qos.can_consume_max_estimate() == 2
    assert "receiver of queue celery failed" in caplog.text


def test_it_tells_when_sqs_last_answered(bench: Bench) -> None:
    receiver = bench.new_receiver(UnlimitedCredits())
    assert receiver.last_poll is None
    receiver.start()
    assert bench.poll_begins()

    bench.clock.advance(20)
    assert bench.sqs.wait_until(lambda: bench.sqs.count("ReceiveMessage") >= 2)

    assert receiver.last_poll is not None
    assert receiver.last_poll > START


def test_a_receiver_that_comes_later_does_not_wait_for_a_long_poll(bench: Bench) -> None:
    qos = bench.new_qos(prefetch_count=2)
    bench.new_receiver(qos).start()
    assert bench.poll_begins()
    bench.send("1", queue=OTHER)

    bench.new_receiver(qos, OTHER).start()

    assert [each.message.body for each in taken(bench, 1)] == ["1"]


def test_receivers_that_start_together_share_even_one_credit(bench: Bench) -> None:
    qos = bench.new_qos(prefetch_count=1)
    receivers = [bench.new_receiver(qos), bench.new_receiver(qos, OTHER)]
    bench.send("1", queue=OTHER)
    for receiver in receivers:
        receiver.start()
    assert bench.poll_begins()

    bench.clock.advance(TURN_WAIT_SECONDS + SCARCE_WAIT_SECONDS)

    assert [each.message.body for each in taken(bench, 1)] == ["1"]


class TestHigherPriorities:
    """Two queues of one consumer, and credits for one message."""

    def receivers(self, bench: Bench, prefetch_count: int = 1) -> tuple[SqsQoS, Receiver, Receiver]:
        qos = bench.new_qos(prefetch_count)
        high = bench.new_receiver(qos, OTHER)
        return qos, high, bench.new_receiver(qos, QUEUE, higher=[high])

    def test_nothing_is_taken_before_they_are_empty(self, bench: Bench) -> None:
        qos, high, low = self.receivers(bench)
        bench.send("low", "low")
        bench.send("high", "high", queue=OTHER)
        low.start()

        bodies = []
        for _ in range(4):
            (delivery,) = taken(bench, 1)
            bodies.append(delivery.message.body)
            assert delivery.receiver is (high if bodies[-1] == "high" else low)
            qos.release(1)

        assert bodies == ["high", "high", "low", "low"]

    def test_one_that_lets_others_come_first_is_not_silent(self, bench: Bench) -> None:
        """Or a worker that has much to do at a high priority would not be ready."""
        qos, _, low = self.receivers(bench)
        bench.send("high", "high", "high", queue=OTHER)
        low.start()
        for _ in range(2):
            taken(bench, 1)
            bench.clock.advance(10)
            qos.release(1)
        taken(bench, 1)
        assert low.record.status().unanswered_seconds == 0

    def test_one_that_has_only_begun_to_poll_is_waited_for(self, bench: Bench) -> None:
        _, high, low = self.receivers(bench, prefetch_count=8)
        bench.send("high", queue=OTHER)
        bench.send("low")
        receive, polls_in_vain = bench.sqs.receive, high.polls_in_vain
        begun, looked_at = threading.Event(), threading.Event()

        def slow(*args: Any, **options: Any) -> Any:
            if not begun.is_set():
                begun.set()
                assert looked_at.wait(PATIENCE_SECONDS)
            return receive(*args, **options)

        def noted() -> bool:
            looked_at.set()
            return polls_in_vain()

        bench.sqs.receive = slow  # type: ignore[method-assign]
        high.polls_in_vain = noted  # type: ignore[method-assign]
        high.start()
        assert begun.wait(PATIENCE_SECONDS)
        low.start()

        assert [each.message.body for each in taken(bench, 2)] == ["high", "low"]

    def test_one_that_polls_is_not_asked_again(self, bench: Bench) -> None:
        _, high, low = self.receivers(bench, prefetch_count=8)
        high.start()
        assert bench.poll_begins()
        low.start()
        assert bench.poll_begins(2)

        asked = [call.resource for call in bench.sqs.calls if call.operation == "ReceiveMessage"]
        assert asked == [bench.address(OTHER).url, bench.address().url]

    def test_what_came_from_them_is_given_back_with_a_cancel(self, bench: Bench) -> None:
        _, high, low = self.receivers(bench)
        bench.send("high", queue=OTHER)
        low.start()
        assert bench.buffer.wait(PATIENCE_SECONDS)

        for receiver in (high, low):
            receiver.stop(0)
            receiver.give_back(bench.buffer.discard(receiver))

        assert bench.sqs.wait_until(lambda: bench.visible(QueueName("other")) == ["high"])


def test_after_a_failure_it_asks_only_for_what_is_answered_at_once(bench: Bench) -> None:
    bench.sqs.faults.fail("ReceiveMessage", UnreachableError("no route"), times=3)
    asked: list[tuple[int, bool]] = []
    receive = bench.sqs.receive

    def noted(*args: Any, **options: Any) -> Any:
        asked.append((options["wait_seconds"], receiver.polling))
        return receive(*args, **options)

    bench.sqs.receive = noted  # type: ignore[method-assign]
    receiver = bench.new_receiver(UnlimitedCredits())
    receiver.start()

    assert bench.poll_begins()
    assert asked == [(20, True), (0, False), (0, False), (0, False), (20, True)]


def test_a_message_whose_lease_has_ended_is_not_delivered(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """As after the process was stopped for a while."""
    bench.leases.stop(0)
    bench.send("1")
    qos = bench.new_qos(prefetch_count=1)
    receiver = bench.new_receiver(qos)
    receiver.start()
    (delivery,) = taken(bench, 1)
    bench.clock.advance(bench.directory.options.visibility_timeout)

    receiver.deliver(delivery)

    assert bench.delivered == []
    assert "lease had ended" in caplog.text


def test_what_is_worked_on_here_is_not_delivered_twice(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.sqs.faults.deliver_twice()
    bench.send("1")
    qos = bench.new_qos(prefetch_count=4)
    receiver = bench.new_receiver(qos)
    receiver.start()

    (delivery,) = taken(bench, 1)
    assert bench.poll_begins()

    assert bench.buffer.take() is None
    assert "worked on here" in caplog.text
    bench.acker.delete(delivery.receipt)
    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.bodies() == []


class TestEarlyMessages:
    """Put off, or taken back because that cannot be."""

    def test_what_is_early_takes_no_credit_and_is_not_delivered(self, bench: Bench) -> None:
        qos = bench.new_qos(prefetch_count=2)
        receiver = bench.new_receiver(qos)
        send_early(bench, 600)
        bench.send("1")
        receiver.start()

        (delivery,) = taken(bench, 1)
        assert bench.acker.flush(PATIENCE_SECONDS)

        assert delivery.message.body == "1"
        receiver.stop(0)
        bench.sqs.close()
        assert receiver.stop(PATIENCE_SECONDS)
        assert qos.can_consume_max_estimate() == 1

    def test_a_receiver_may_be_told_to_leave_them_to_its_consumer(self, bench: Bench) -> None:
        receiver = bench.new_receiver(UnlimitedCredits(), puts_off=False)
        body = send_early(bench, 600)

        receiver.start()

        assert [each.message.body for each in taken(bench, 1)] == [body]

    def test_what_cannot_be_put_off_is_delivered_whoever_has_the_credits(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.address()
        body = send_early(bench, 600)
        bench.sqs.faults.fail("SendMessage", InvalidRequestError("too much of something"))
        qos = bench.new_qos(prefetch_count=1)
        receiver = bench.new_receiver(qos)
        receiver.start()
        (delivery,) = taken(bench, 1)

        receiver.deliver(delivery)
        qos.append(message_of(delivery.receipt, "tag"), "tag", reserved=True)

        assert [message.body for message in bench.delivered] == [body]
        receiver.stop(0)
        bench.sqs.close()
        assert receiver.stop(PATIENCE_SECONDS)
        assert qos.can_consume_max_estimate() == 0
        qos.ack("tag")
        assert qos.can_consume_max_estimate() == 1
        assert "receiver of queue celery failed" not in caplog.text

    def test_after_a_cancel_it_is_given_back(self, bench: Bench) -> None:
        body = send_early(bench, 600)
        error = InvalidRequestError("too much of something")
        bench.sqs.faults.fail("SendMessage", error, times=10)
        bench.acker = bench.new_acker(linger_seconds=LONG_SECONDS)
        qos = bench.new_qos(prefetch_count=1)
        receiver = bench.new_receiver(qos)
        receiver.start()
        assert bench.poll_begins()
        receiver.stop(0)

        # What gives it back comes after its errand; and the last poll may be handed it once more.
        for _ in range(2):
            assert bench.acker.flush(PATIENCE_SECONDS)
        assert receiver.stop(PATIENCE_SECONDS)
        for _ in range(2):
            assert bench.acker.flush(PATIENCE_SECONDS)

        assert bench.visible() == [body]
        assert bench.delivered == []
        assert qos.can_consume_max_estimate() == 1


def test_a_quiet_queue_beside_others_may_be_polled_less_often(
    clock: FakeClock, sqs: MemorySqs
) -> None:
    bench = Bench(clock, sqs, idle_backoff_seconds=3_600)
    qos = bench.new_qos(prefetch_count=8)
    receiver, other = bench.new_receiver(qos), bench.new_receiver(qos, OTHER)
    for each in (receiver, other):
        each.start()
    assert bench.poll_begins(2)

    bench.clock.advance(IDLE_AFTER_SECONDS)
    assert sqs.wait_until(lambda: sqs.count("ReceiveMessage") == 4)
    assert bench.poll_begins(2)
    bench.clock.advance(SQS_WAIT_TIME_SECONDS_MAX)

    # They rest, for longer than this test has time, and keep no credit meanwhile.
    assert bench.poll_begins(0)
    assert released(qos, 8)
    assert (sqs.count("ReceiveMessage"), receiver.alive) == (4, True)
    bench.close()
