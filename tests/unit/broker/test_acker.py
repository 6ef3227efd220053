import logging
import threading
from typing import Any

import pytest

from celery_aws.broker.acker import ATTEMPTS_WITHOUT_THREAD, Acker
from celery_aws.broker.message import Receipt
from celery_aws.broker.settlement import Settlement
from celery_aws.core.messages import ReceivedMessage
from celery_aws.errors import AccessDeniedError, ThrottledError, UnreachableError
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import PATIENCE_SECONDS, QUEUE, Bench

DELETE = "DeleteMessageBatch"
CHANGE = "ChangeMessageVisibilityBatch"
#: A linger that no test waits for.
LONG_SECONDS = 3_600.0


def entries(sqs: MemorySqs, operation: str) -> list[int]:
    return [call.entries for call in sqs.calls if call.operation == operation]


def stop(acker: Acker) -> None:
    assert acker.stop(PATIENCE_SECONDS)


def test_it_deletes_ten_to_a_request(bench: Bench) -> None:
    acker = bench.new_acker(linger_seconds=LONG_SECONDS)
    for receipt in bench.receive(25):
        acker.delete(receipt)

    assert acker.flush(PATIENCE_SECONDS)

    assert bench.bodies() == []
    assert sum(entries(bench.sqs, DELETE)) == 25
    assert max(entries(bench.sqs, DELETE)) == 10
    stop(acker)


def test_it_tells_of_what_sqs_has_deleted(bench: Bench) -> None:
    told: list[Receipt] = []
    acker = Acker(linger_seconds=0, clock=bench.clock, leases=bench.leases, on_deleted=told.extend)
    one, two, three = bench.receive(3)
    bench.sqs.faults.refuse_entries(DELETE, sender_fault=True)

    acker.delete(one)
    assert acker.flush(PATIENCE_SECONDS)
    assert told == [], "it was refused"
    acker.delete(two)
    acker.give_back(three)
    stop(acker)

    assert told == [two]


def test_a_delete_that_is_tried_again_is_told_of_once(bench: Bench) -> None:
    told: list[Receipt] = []
    acker = Acker(linger_seconds=0, clock=bench.clock, leases=bench.leases, on_deleted=told.extend)
    (receipt,) = bench.receive(1)
    bench.sqs.faults.fail(DELETE, ThrottledError("slow down"))
    bench.sqs.faults.refuse_entries(DELETE)

    acker.delete(receipt)
    stop(acker)

    assert told == [receipt]


def test_ten_do_not_wait_for_company(bench: Bench) -> None:
    acker = bench.new_acker(linger_seconds=LONG_SECONDS)

    for receipt in bench.receive(10):
        acker.delete(receipt)

    assert bench.sqs.wait_until(lambda: bench.bodies() == [])
    assert entries(bench.sqs, DELETE) == [10]
    stop(acker)


def test_one_waits_no_longer_than_the_linger(bench: Bench) -> None:
    acker = bench.new_acker(linger_seconds=0.01)

    acker.delete(bench.receive(1)[0])

    assert bench.sqs.wait_until(lambda: bench.bodies() == [])
    stop(acker)


def test_what_is_given_back_is_visible_at_once(bench: Bench) -> None:
    for receipt in bench.receive(3):
        bench.acker.give_back(receipt)

    assert bench.acker.flush(PATIENCE_SECONDS)

    assert bench.visible() == ["0", "1", "2"]


def test_what_is_received_again_before_its_give_back_is_answered_stays_ours(bench: Bench) -> None:
    """Another poll of this worker is under way when a task is rejected to be tried again."""
    (receipt,) = bench.receive(1)
    bench.leases.hold([receipt], asked_at=0, answered_at=0)
    change = bench.sqs.change_visibility_batch
    again: list[Receipt] = []

    def receive_before_the_answer(url: Any, timeouts: Any) -> Any:
        failures = change(url, timeouts)
        again.extend(bench.receive_again(1))
        again_taken = bench.leases.hold(again, asked_at=0, answered_at=0)
        assert again_taken.new == again
        return failures

    bench.sqs.change_visibility_batch = receive_before_the_answer  # type: ignore[method-assign]
    bench.acker.give_back(receipt)

    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.leases.valid(again[0])


def test_what_came_back_is_not_given_back_again(bench: Bench) -> None:
    """SQS did it, its answer was lost, and the message is worked on here again."""
    (receipt,) = bench.receive(1)
    bench.leases.hold([receipt], asked_at=0, answered_at=0)
    change = bench.sqs.change_visibility_batch
    asked: list[Any] = []

    def receive_and_lose_the_answer(url: Any, timeouts: Any) -> Any:
        asked.append(timeouts)
        change(url, timeouts)
        bench.leases.hold(bench.receive_again(1), asked_at=0, answered_at=0)
        raise UnreachableError("no answer")

    bench.sqs.change_visibility_batch = receive_and_lose_the_answer  # type: ignore[method-assign]
    bench.acker.give_back(receipt)

    assert bench.acker.flush(PATIENCE_SECONDS)
    assert asked == [[(receipt.handle, 0)]]
    assert bench.leases.held == 1


def test_what_is_given_back_for_later_is_visible_later(bench: Bench) -> None:
    bench.acker.give_back(bench.receive(1)[0], visible_in_seconds=60)
    assert bench.acker.flush(PATIENCE_SECONDS)
    bench.clock.advance(59)
    assert bench.visible() == []

    bench.clock.advance(1)

    assert bench.visible() == ["0"]


def test_each_queue_has_its_own_requests(bench: Bench) -> None:
    receipts = bench.receive(2) + bench.receive(2, queue=AmqpQueue("other"))
    acker = bench.new_acker(linger_seconds=LONG_SECONDS)

    for receipt in receipts:
        acker.delete(receipt)
    stop(acker)

    assert sorted(entries(bench.sqs, DELETE)) == [2, 2]
    assert bench.bodies() == bench.bodies(QueueName("other")) == []


def test_refused_entries_are_tried_again_one_by_one(bench: Bench) -> None:
    bench.sqs.faults.refuse_entries(DELETE, entries=3)
    acker = bench.new_acker(linger_seconds=LONG_SECONDS)
    for receipt in bench.receive(5):
        acker.delete(receipt)

    stop(acker)

    assert entries(bench.sqs, DELETE) == [5, 1, 1, 1]
    assert bench.bodies() == []
    assert len(bench.clock.sleeps) == 1


def test_what_was_our_own_fault_is_not_tried_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.sqs.faults.refuse_entries(DELETE, code="InvalidIdFormat", sender_fault=True)

    bench.acker.delete(bench.receive(1)[0])
    assert bench.acker.flush(PATIENCE_SECONDS)

    assert entries(bench.sqs, DELETE) == [1]
    assert "1 message(s) could not be deleted" in caplog.text
    assert "delivered again when their visibility timeout ends" in caplog.text


def test_a_stale_handle_is_logged_as_such(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    receipt = bench.receive(1)[0]
    bench.clock.advance(31)

    bench.acker.give_back(receipt)
    assert bench.acker.flush(PATIENCE_SECONDS)

    assert "1 not given back" in caplog.text
    assert "their visibility timeout ended before" in caplog.text


def test_an_outage_is_waited_out_and_does_not_fill_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.sqs.faults.fail(DELETE, ThrottledError("slow down"), times=100)

    bench.acker.delete(bench.receive(1)[0])
    assert bench.acker.flush(PATIENCE_SECONDS)

    assert bench.bodies() == []
    assert entries(bench.sqs, DELETE) == [1] * 101
    assert len(caplog.records) == 7


def test_a_temporary_error_is_tried_again_with_growing_pauses(bench: Bench) -> None:
    bench.sqs.faults.fail(DELETE, ThrottledError("slow down"), times=4)

    bench.acker.delete(bench.receive(1)[0])
    assert bench.acker.flush(PATIENCE_SECONDS)

    assert bench.bodies() == []
    assert bench.clock.sleeps == pytest.approx([0.02, 0.04, 0.08, 0.16])


def test_what_waits_for_its_next_try_holds_nothing_up(bench: Bench) -> None:
    first, second = bench.receive(2)
    bench.sqs.faults.fail(DELETE, ThrottledError("slow down"), times=3)

    bench.acker.delete(first)
    bench.acker.give_back(second)

    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.visible() == ["1"]


def test_thousands_of_tries_are_not_compared_with_each_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[object] = []

    def equal(one: Settlement, other: object) -> bool:
        compared.append(other)
        return one is other

    monkeypatch.setattr(Settlement, "__eq__", equal)
    acker = bench.new_acker(linger_seconds=LONG_SECONDS)
    bench.sqs.faults.refuse_entries(DELETE, entries=10, times=3)
    for receipt in bench.receive(30):
        acker.delete(receipt)

    stop(acker)

    assert bench.bodies() == []
    assert compared == []


def test_without_its_thread_it_gives_up_after_some_tries(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    receipt = bench.receive(1)[0]
    stop(bench.acker)
    bench.sqs.faults.fail(DELETE, ThrottledError("slow down"), times=100)

    bench.acker.delete(receipt)

    assert len(entries(bench.sqs, DELETE)) == ATTEMPTS_WITHOUT_THREAD + 1
    assert [record.levelno for record in caplog.records][-1] == logging.ERROR
    assert bench.acker.flush(0)


def test_after_a_lost_reply_the_same_is_asked_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.sqs.faults.lose_reply(DELETE)

    bench.acker.delete(bench.receive(1)[0])
    assert bench.acker.flush(PATIENCE_SECONDS)

    assert bench.bodies() == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_an_error_that_stays_is_not_tried_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.sqs.faults.fail(DELETE, AccessDeniedError("not allowed"))

    bench.acker.delete(bench.receive(1)[0])
    assert bench.acker.flush(PATIENCE_SECONDS)

    assert entries(bench.sqs, DELETE) == [1]
    assert "not allowed" in caplog.text


def test_flushing_nothing_starts_no_thread(bench: Bench) -> None:
    assert bench.acker.flush(0)
    assert not bench.acker.alive


def test_a_flush_that_runs_out_of_time_says_so(bench: Bench) -> None:
    release = threading.Event()
    acker = slow_acker(bench, release)

    acker.delete(bench.receive(1)[0])

    assert not acker.flush(0.01)
    release.set()
    stop(acker)


def test_a_flush_does_not_wait_for_what_comes_after_it(bench: Bench) -> None:
    """Else a busy connection would never be flushed."""
    release = threading.Event()
    acker = slow_acker(bench, release)
    first, second = bench.receive(2)
    flushed = threading.Event()

    def flush() -> None:
        if acker.flush(PATIENCE_SECONDS):
            flushed.set()

    acker.delete(first)
    flushing = threading.Thread(target=flush)
    flushing.start()
    assert acker.asked.wait(PATIENCE_SECONDS)
    acker.asked.clear()
    acker.delete(second)
    release.set()
    release.clear()

    assert acker.asked.wait(PATIENCE_SECONDS)  # the second is under way, and stays there
    assert flushed.wait(PATIENCE_SECONDS)
    release.set()
    flushing.join()
    stop(acker)


def test_stopping_settles_what_is_left(bench: Bench) -> None:
    acker = bench.new_acker(linger_seconds=LONG_SECONDS)
    for receipt in bench.receive(3):
        acker.delete(receipt)

    stop(acker)

    assert bench.bodies() == []
    assert not acker.alive


def test_what_comes_after_stopping_is_settled_in_the_callers_thread(bench: Bench) -> None:
    receipt = bench.receive(1)[0]
    stop(bench.acker)

    bench.acker.delete(receipt)

    assert bench.bodies() == []
    assert not bench.acker.alive


def test_no_settlement_falls_between_submitting_and_stopping(bench: Bench) -> None:
    """Whatever the order in which the threads come, each message is deleted."""
    for _ in range(50):
        acker = bench.new_acker()
        receipts = bench.receive(4)
        barrier = threading.Barrier(3)

        def settle(mine: list[Receipt], acker: Acker, barrier: threading.Barrier) -> None:
            barrier.wait()
            for receipt in mine:
                acker.delete(receipt)

        threads = [
            threading.Thread(target=settle, args=(mine, acker, barrier))
            for mine in (receipts[:2], receipts[2:])
        ]
        for thread in threads:
            thread.start()
        barrier.wait()
        stop(acker)
        for thread in threads:
            thread.join(PATIENCE_SECONDS)

        assert bench.bodies() == []


def test_a_settlement_at_the_threads_last_look_is_not_lost(bench: Bench) -> None:
    """The thread has found nothing and is about to return; it is still alive."""
    first, second = bench.receive(2)
    last_look, submitted = threading.Event(), threading.Event()

    class Returning(Acker):
        def run(self) -> None:
            super().run()
            last_look.set()
            submitted.wait(PATIENCE_SECONDS)

    acker = Returning(linger_seconds=0, clock=bench.clock, leases=bench.leases)
    acker.delete(first)
    acker.stop(0)
    assert last_look.wait(PATIENCE_SECONDS)
    assert acker.alive

    acker.delete(second)
    submitted.set()
    stop(acker)

    assert bench.bodies() == []


class SlowAcker(Acker):
    """Asks SQS only when it is let to."""

    def __init__(self, release: threading.Event, bench: Bench) -> None:
        super().__init__(linger_seconds=0, clock=bench.clock, leases=bench.leases)
        self.asked = threading.Event()
        self._release = release

    def _settle(self, work: object) -> None:
        self.asked.set()
        assert self._release.wait(PATIENCE_SECONDS)
        super()._settle(work)  # type: ignore[arg-type]


def slow_acker(bench: Bench, release: threading.Event) -> SlowAcker:
    return SlowAcker(release, bench)


def test_a_bug_costs_its_own_batch_only(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    first, second = bench.receive(2)
    bench.sqs.faults.fail(DELETE, ZeroDivisionError("a bug"))
    bench.acker.delete(first)
    assert bench.acker.flush(PATIENCE_SECONDS)

    bench.acker.delete(second)

    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.bodies() == ["0"]
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]


class TestRejected:
    """A message that was rejected for good; where it goes: test_dead_letters.py."""

    DEAD = QueueName("celery-dead-letter")

    def reject(self, bench: Bench, *, move: bool = True) -> None:
        address = bench.address()
        bench.send("task")
        (message,) = bench.sqs.receive(
            address.url, max_messages=1, wait_seconds=0, visibility_timeout_seconds=30
        )
        receipt = Receipt(queue=QUEUE, address=address, handle=message.receipt_handle)
        bench.acker.reject(receipt, message, move=move)
        assert bench.acker.flush(PATIENCE_SECONDS)

    def test_it_is_deleted_once_it_is_in_the_dead_letter_queue(self, bench: Bench) -> None:
        self.reject(bench)

        assert (bench.bodies(), bench.bodies(self.DEAD)) == ([], ["task"])

    def test_it_may_be_left_where_it_is(self, bench: Bench) -> None:
        self.reject(bench, move=False)

        assert (bench.bodies(), bench.bodies(self.DEAD)) == (["task"], [])
        assert bench.visible() == []

    def test_it_is_not_deleted_because_it_comes_back_before_it_is_moved(self, bench: Bench) -> None:
        """Its lease ended while the dead-letter queue could not be reached."""
        (receipt,) = bench.receive(1)
        bench.leases.hold([receipt], asked_at=0, answered_at=0)
        message = ReceivedMessage(
            message_id=receipt.message_id, body="0", receipt_handle=receipt.handle
        )
        bench.acker = bench.new_acker(linger_seconds=LONG_SECONDS)
        bench.acker.reject(receipt, message, move=True)

        bench.clock.advance(30)
        taken = bench.leases.hold(bench.receive_again(1), asked_at=30, answered_at=30)

        assert (taken.new, taken.finished) == ([], [])
        assert bench.acker.flush(PATIENCE_SECONDS)
        assert (bench.bodies(), bench.bodies(self.DEAD)) == ([], ["0"])
        assert bench.leases.held == 0

    def test_moving_it_is_tried_again(self, bench: Bench) -> None:
        bench.address()
        bench.sqs.faults.fail("GetQueueAttributes", ThrottledError("slow down"), times=2)

        self.reject(bench)

        assert (bench.bodies(), bench.bodies(self.DEAD)) == ([], ["task"])

    def test_it_is_never_deleted_before_it_is_moved(self, bench: Bench) -> None:
        bench.address()
        bench.sqs.faults.fail("GetQueueAttributes", ThrottledError("slow down"), times=20)

        self.reject(bench)

        assert (bench.bodies(), bench.bodies(self.DEAD)) == ([], ["task"])
        last_requests = [call.operation for call in bench.sqs.calls[-2:]]
        assert last_requests == ["SendMessage", DELETE]

    def test_a_delete_that_is_tried_again_moves_nothing_twice(self, bench: Bench) -> None:
        bench.sqs.faults.fail(DELETE, ThrottledError("slow down"))
        bench.sqs.faults.refuse_entries(DELETE)

        self.reject(bench)

        assert (bench.bodies(), bench.bodies(self.DEAD)) == ([], ["task"])

    def test_it_holds_up_nobody_elses_delete(self, bench: Bench) -> None:
        receipt = bench.receive(1)[0]
        acker = bench.new_acker(linger_seconds=LONG_SECONDS)
        operations = len(bench.sqs.calls)
        message = ReceivedMessage(message_id="m", body="b", receipt_handle=receipt.handle)
        acker.reject(receipt, message, move=True)
        acker.delete(bench.receive(1)[0])

        stop(acker)

        asked = [call.operation for call in bench.sqs.calls[operations:]]
        assert asked.index(DELETE) < asked.index("GetQueueAttributes")
