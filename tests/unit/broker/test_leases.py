import logging
import threading
from collections.abc import Iterator

import pytest

from celery_aws.broker.leases import Leases
from celery_aws.broker.message import Receipt
from celery_aws.broker.status import DeliveryRecord
from celery_aws.clock import SystemClock
from celery_aws.errors import AccessDeniedError, QueueNotFoundError, UnreachableError
from celery_aws.names import AmqpQueue
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import PATIENCE_SECONDS, QUEUE, Bench

CHANGE = "ChangeMessageVisibilityBatch"
TIMEOUT_SECONDS = 30
HOURS_12 = 43_200


class Held:
    """Leases that are extended when the test says so, on messages received just now."""

    def __init__(self, bench: Bench, timeout_seconds: int = TIMEOUT_SECONDS) -> None:
        self.bench = bench
        self.timeout_seconds = timeout_seconds
        self.record = DeliveryRecord()
        self.leases = Leases(
            timeout_seconds=timeout_seconds,
            clock=bench.clock,
            record=self.record,
            jitter=lambda: 0.5,
        )
        # The clock is the test's: the thread would only wait.
        self.leases.stop(0)

    def hold(self, receipts: list[Receipt]) -> list[Receipt]:
        now = self.bench.clock.monotonic()
        self.leases.hold(receipts, asked_at=now, answered_at=now)
        return receipts

    def receive(self, count: int = 1, queue: AmqpQueue = QUEUE) -> list[Receipt]:
        return self.hold(
            self.bench.receive(count, queue=queue, hidden_seconds=self.timeout_seconds)
        )

    def pass_time(self, seconds: int, step_seconds: float = 1.0) -> None:
        passed = 0.0
        while passed < seconds:
            self.bench.clock.advance(step_seconds)
            passed += step_seconds
            self.leases.extend_due()


@pytest.fixture
def held(bench: Bench) -> Held:
    return Held(bench)


def test_what_is_held_stays_hidden(bench: Bench, held: Held) -> None:
    held.receive(3)

    held.pass_time(10 * TIMEOUT_SECONDS)

    assert bench.visible() == []
    assert held.leases.held == 3
    assert held.record.status().leases_lost == 0


def test_ten_share_a_request(bench: Bench, held: Held) -> None:
    held.receive(25)
    held.receive(2, queue=AmqpQueue("other"))

    held.pass_time(TIMEOUT_SECONDS // 2)

    entries = [call.entries for call in bench.sqs.calls if call.operation == CHANGE]
    assert sorted(entries) == [2, 5, 10, 10]
    assert held.record.status().extended == 27


def test_what_is_dropped_is_extended_no_more(bench: Bench, held: Held) -> None:
    kept, dropped = held.receive(2)
    held.leases.drop(dropped)

    held.pass_time(TIMEOUT_SECONDS)

    assert bench.visible() == ["1"]
    assert held.leases.valid(kept)
    assert not held.leases.valid(dropped)


@pytest.mark.parametrize("failures", [1, 3])
def test_a_failure_is_tried_again_in_time(bench: Bench, held: Held, failures: int) -> None:
    held.receive()
    bench.sqs.faults.fail(CHANGE, UnreachableError("no route"), times=failures)

    held.pass_time(3 * TIMEOUT_SECONDS, 0.5)

    assert bench.visible() == []


def test_a_lost_reply_does_no_harm(bench: Bench, held: Held) -> None:
    held.receive()
    bench.sqs.faults.lose_reply(CHANGE)

    held.pass_time(3 * TIMEOUT_SECONDS)

    assert bench.visible() == []


def test_a_refused_entry_is_tried_again_and_the_others_are_extended(
    bench: Bench, held: Held
) -> None:
    held.receive(3)
    bench.sqs.faults.refuse_entries(CHANGE, entries=1)

    held.pass_time(2 * TIMEOUT_SECONDS)

    assert bench.visible() == []
    assert held.record.status().leases_lost == 0


def test_an_outage_ends_the_lease_for_us_as_it_does_for_sqs(bench: Bench, held: Held) -> None:
    (receipt,) = held.receive()
    bench.sqs.faults.fail(CHANGE, UnreachableError("no route"), times=10_000)

    held.pass_time(TIMEOUT_SECONDS - 1)
    assert held.leases.valid(receipt)
    held.pass_time(1)

    assert not held.leases.valid(receipt)
    assert bench.visible() == ["0"]


def test_a_lease_that_somebody_else_has_is_lost(
    bench: Bench, held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    (receipt,) = held.receive()
    held.leases.describe(receipt, "task proj.add[1]")
    bench.clock.advance(TIMEOUT_SECONDS)  # as a process that was stopped
    bench.receive(0)
    bench.address().service.receive(
        bench.address().url, max_messages=1, wait_seconds=0, visibility_timeout_seconds=600
    )

    held.leases.extend_due()

    assert not held.leases.valid(receipt)
    assert held.record.status().leases_lost == 1
    assert "lease of a message was lost (task proj.add[1])" in caplog.text
    assert not held.leases.settling(receipt)


def test_losing_what_waits_for_its_deletion_is_no_loss(
    bench: Bench, held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    (receipt,) = held.receive()
    assert held.leases.settling(receipt)
    bench.address().service.delete_batch(bench.address().url, [receipt.handle])

    held.pass_time(TIMEOUT_SECONDS)

    assert held.leases.held == 0
    assert held.record.status().leases_lost == 0
    assert caplog.records == []


def test_what_comes_back_after_an_outage_and_is_finished_is_to_be_deleted(
    bench: Bench, held: Held
) -> None:
    """Neither the deletion nor the extension got through for a whole timeout."""
    (receipt,) = held.receive()
    assert held.leases.settling(receipt)
    bench.clock.advance(TIMEOUT_SECONDS)
    held.leases.extend_due()

    again = bench.receive_again(1)
    now = bench.clock.monotonic()
    taken = held.leases.hold(again, asked_at=now, answered_at=now)

    assert (taken.new, taken.finished) == ([], again)
    assert held.leases.current(receipt).handle == again[0].handle


def test_a_bug_ends_no_lease(bench: Bench, held: Held, caplog: pytest.LogCaptureFixture) -> None:
    held.receive()
    bench.sqs.faults.fail(CHANGE, ZeroDivisionError("a bug"))

    held.pass_time(10 * TIMEOUT_SECONDS)

    assert bench.visible() == []
    assert held.leases.held == 1
    assert "a bug" in caplog.text


def test_what_is_received_again_is_valid_at_every_moment(bench: Bench, held: Held) -> None:
    """The delivering thread asks while a receiver takes the message up again."""
    (receipt,) = held.receive()
    answers: list[bool] = []

    class Current(dict[str, Receipt]):
        def __setitem__(self, key: str, value: Receipt) -> None:
            super().__setitem__(key, value)
            asking = threading.Thread(target=lambda: answers.append(held.leases.valid(receipt)))
            asking.start()
            asking.join(0.1)
            asked.append(asking)

    asked: list[threading.Thread] = []
    held.leases._current = Current(held.leases._current)
    bench.clock.advance(TIMEOUT_SECONDS)
    held.hold(bench.receive_again(1))

    for each in asked:
        each.join(PATIENCE_SECONDS)
    assert answers == [True]


def test_a_queue_that_is_gone_takes_its_leases_along(bench: Bench, held: Held) -> None:
    held.receive(2)
    bench.sqs.faults.fail(CHANGE, QueueNotFoundError("gone"))

    held.pass_time(TIMEOUT_SECONDS // 2)

    assert held.leases.held == 0
    assert held.record.status().leases_lost == 2


def test_a_missing_permission_is_told_once_with_the_remedy(
    bench: Bench, held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    held.receive()
    bench.sqs.faults.fail(CHANGE, AccessDeniedError("not allowed"), times=10_000)

    held.pass_time(2 * TIMEOUT_SECONDS)

    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
    assert "Grant the action" in caplog.text
    assert "run twice" in caplog.text


def test_the_end_after_twelve_hours_is_told_before_and_noticed(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held(bench, timeout_seconds=3_600)
    (receipt,) = held.receive()
    held.leases.describe(receipt, "task proj.add[1]")

    held.pass_time(HOURS_12 - 1_020, 60)
    assert caplog.records == []
    held.pass_time(120, 60)
    assert "task proj.add[1] has been held for almost 12 hours" in caplog.text
    assert held.leases.valid(receipt)
    held.pass_time(900, 60)

    assert not held.leases.valid(receipt)
    assert "12 hours after the receive SQS ends every lease" in caplog.text
    assert len(caplog.records) == 2


def test_no_extension_hides_what_was_given_back(bench: Bench, held: Held) -> None:
    """A request is under way when the message is given back."""
    (receipt,) = held.receive()
    given_back: list[str] = []
    change = bench.sqs.change_visibility_batch

    def give_back_meanwhile(url: object, timeouts: object) -> object:
        held.leases.release(receipt, lambda: given_back.append("afterwards"))
        assert given_back == []
        return change(url, timeouts)  # type: ignore[arg-type]

    bench.sqs.change_visibility_batch = give_back_meanwhile  # type: ignore[assignment, method-assign]
    held.pass_time(TIMEOUT_SECONDS // 2)

    assert given_back == ["afterwards"]
    assert held.leases.held == 0


def test_what_somebody_else_may_have_is_not_given_back(bench: Bench, held: Held) -> None:
    """It would be handed out a third time while the other works on it."""
    (receipt,) = held.receive()
    bench.clock.advance(TIMEOUT_SECONDS)
    bench.receive_again(1)
    held.leases.extend_due()
    given_back: list[str] = []

    held.leases.release(receipt, lambda: given_back.append("now"))

    assert given_back == []
    assert not held.leases._lost
    assert not held.leases._current


def test_what_is_not_asked_for_is_released_at_once(held: Held) -> None:
    (receipt,) = held.receive()
    given_back: list[str] = []

    held.leases.release(receipt, lambda: given_back.append("now"))

    assert given_back == ["now"]
    assert held.leases.held == 0


class TestThread:
    @pytest.fixture
    def sqs(self) -> Iterator[MemorySqs]:
        double = MemorySqs()
        yield double
        double.close()

    def test_it_extends_by_itself_and_ends_with_the_last_message(
        self, bench: Bench, sqs: MemorySqs
    ) -> None:
        leases = Leases(timeout_seconds=1, clock=SystemClock(), record=DeliveryRecord())
        bench.send("1")
        (message,) = sqs.receive(
            bench.address().url, max_messages=1, wait_seconds=0, visibility_timeout_seconds=1
        )
        receipt = Receipt(
            queue=AmqpQueue("celery"), address=bench.address(), handle=message.receipt_handle
        )
        now = SystemClock().monotonic()
        leases.hold([receipt], asked_at=now, answered_at=now)

        assert sqs.wait_until(lambda: sqs.count(CHANGE) >= 3)
        assert leases.valid(receipt)
        ended = threading.Event()
        leases.retire(ended.set)
        assert leases.alive
        leases.drop(receipt)

        assert ended.wait(PATIENCE_SECONDS)
        assert leases.stop(PATIENCE_SECONDS)
