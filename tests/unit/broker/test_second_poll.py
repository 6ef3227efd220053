import threading
from collections.abc import Callable
from typing import Any

import pytest

from celery_aws.broker.receiver import UnlimitedCredits
from celery_aws.limits import SQS_BATCH_ENTRIES
from celery_aws.names import AmqpQueue, QueueName
from tests.unit.broker.conftest import PATIENCE_SECONDS, Bench, take

ROOM = 4 * SQS_BATCH_ENTRIES


class Gate:
    """Holds up the receives of a queue until it is opened, and knows how many are held up."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most_together = 0
        self._together = 0
        self._changed = threading.Condition()
        self._open = False
        self._receive: Callable[..., Any] = bench.sqs.receive
        monkeypatch.setattr(bench.sqs, "receive", self._held_up)

    def open(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def wait_for(self, together: int, seconds: float = PATIENCE_SECONDS) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._together >= together, seconds)

    def wait_for_none(self) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._together, PATIENCE_SECONDS)

    def _held_up(self, *args: Any, **options: Any) -> Any:
        with self._changed:
            self._together += 1
            self.most_together = max(self.most_together, self._together)
            self._changed.notify_all()
            # The first one passes: only after a full receive is there a second one.
            self._changed.wait_for(lambda: self._open or self._first, PATIENCE_SECONDS)
            self._first = False
            self._together -= 1
            self._changed.notify_all()
        return self._receive(*args, **options)

    _first = True


@pytest.fixture
def gate(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(bench, monkeypatch)


def bodies(bench: Bench, count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        assert bench.buffer.wait(PATIENCE_SECONDS), f"{len(found)} of {count} came"
        found += [each.message.body for each in take(bench.buffer, count)]
    return sorted(found)


def test_a_full_receive_with_room_for_more_makes_two_at_a_time(bench: Bench, gate: Gate) -> None:
    sent = sorted(f"{number:02}" for number in range(3 * SQS_BATCH_ENTRIES))
    bench.send(*sent)

    bench.new_receiver(bench.new_qos(prefetch_count=ROOM)).start()

    assert gate.wait_for(2)
    gate.open()
    assert bodies(bench, len(sent)) == sent
    assert gate.most_together == 2


def test_what_fits_into_one_receive_is_asked_for_once(bench: Bench, gate: Gate) -> None:
    bench.send(*map(str, range(SQS_BATCH_ENTRIES - 1)))

    bench.new_receiver(bench.new_qos(prefetch_count=ROOM)).start()

    assert len(bodies(bench, SQS_BATCH_ENTRIES - 1)) == SQS_BATCH_ENTRIES - 1
    assert not gate.wait_for(2, seconds=0.2)
    gate.open()


def test_a_second_receive_takes_no_credit_that_the_first_may_need(bench: Bench, gate: Gate) -> None:
    bench.send(*map(str, range(3 * SQS_BATCH_ENTRIES)))

    # Ten are held after the first receive: then there is room for one more, and not for two.
    bench.new_receiver(bench.new_qos(prefetch_count=2 * SQS_BATCH_ENTRIES + 9)).start()

    assert not gate.wait_for(2, seconds=0.2)
    gate.open()


def test_a_fifo_queue_has_one_receive_at_a_time(bench: Bench, gate: Gate) -> None:
    fifo = AmqpQueue("orders.fifo")
    bench.sqs.create_queue(QueueName(fifo), {"FifoQueue": "true"}, {})

    receiver = bench.new_receiver(bench.new_qos(prefetch_count=ROOM), fifo)
    receiver.start()
    gate.open()

    assert not gate.wait_for(2, seconds=0.2)


def test_who_acknowledges_on_receipt_has_one_receive_at_a_time(bench: Bench, gate: Gate) -> None:
    bench.send(*map(str, range(3 * SQS_BATCH_ENTRIES)))

    bench.new_receiver(UnlimitedCredits()).start()

    assert not gate.wait_for(2, seconds=0.2)
    gate.open()


def test_the_end_waits_for_both_and_gives_back_what_they_bring(bench: Bench, gate: Gate) -> None:
    sent = sorted(f"{number:02}" for number in range(4 * SQS_BATCH_ENTRIES))
    bench.send(*sent)
    qos = bench.new_qos(prefetch_count=2 * ROOM)
    receiver = bench.new_receiver(qos)
    receiver.start()
    assert gate.wait_for(2)

    assert not receiver.stop(0)
    assert receiver.polling
    gate.open()

    assert receiver.stop(PATIENCE_SECONDS)
    assert not receiver.polling
    receiver.give_back(bench.buffer.discard(receiver))
    assert bench.acker.flush(PATIENCE_SECONDS)
    assert sorted(bench.visible()) == sent
    assert qos.can_consume_max_estimate() == 2 * ROOM


def test_who_drains_asks_no_more(bench: Bench, gate: Gate) -> None:
    bench.send(*map(str, range(5 * SQS_BATCH_ENTRIES)))
    qos = bench.new_qos(prefetch_count=2 * ROOM)
    receiver = bench.new_receiver(qos)
    receiver.start()
    assert gate.wait_for(2)

    receiver.draining = True
    gate.open()

    assert gate.wait_for_none()
    assert receiver.stop(PATIENCE_SECONDS)
    receiver.give_back(bench.buffer.discard(receiver))
    assert qos.can_consume_max_estimate() == 2 * ROOM
