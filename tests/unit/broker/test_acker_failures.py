import logging

import pytest

from celery_aws.broker.acker import ATTEMPTS_WITHOUT_THREAD, Acker
from celery_aws.broker.message import Receipt
from celery_aws.broker.settlement import Settlement
from celery_aws.errors import AccessDeniedError, ThrottledError
from tests.unit.broker.acking import DELETE, LONG_SECONDS, entries, stop
from tests.unit.broker.conftest import PATIENCE_SECONDS, Bench


def test_a_delete_that_is_tried_again_is_told_of_once(bench: Bench) -> None:
    told: list[Receipt] = []
    acker = Acker(linger_seconds=0, clock=bench.clock, leases=bench.leases, on_deleted=told.extend)
    (receipt,) = bench.receive(1)
    bench.sqs.faults.fail(DELETE, ThrottledError("slow down"))
    bench.sqs.faults.refuse_entries(DELETE)

    acker.delete(receipt)
    stop(acker)

    assert told == [receipt]


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


def test_a_bug_costs_its_own_batch_only(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    first, second = bench.receive(2)
    bench.sqs.faults.fail(DELETE, ZeroDivisionError("a bug"))
    bench.acker.delete(first)
    assert bench.acker.flush(PATIENCE_SECONDS)

    bench.acker.delete(second)

    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.bodies() == ["0"]
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
