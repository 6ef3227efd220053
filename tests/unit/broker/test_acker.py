from collections.abc import Sequence
from typing import Any

import pytest

from celery_aws.aws.sqs import BatchFailure
from celery_aws.broker.acker import Acker
from celery_aws.broker.message import Receipt
from celery_aws.errors import UnreachableError
from celery_aws.names import AmqpQueue, QueueName, QueueUrl, ReceiptHandle
from tests.unit.broker.acking import DELETE, LONG_SECONDS, entries, stop
from tests.unit.broker.conftest import PATIENCE_SECONDS, Bench


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


def test_a_busy_queue_does_not_keep_the_acknowledgement_of_another_one_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    acker = bench.new_acker(linger_seconds=0.05)
    (lonely,) = bench.receive(1, queue=AmqpQueue("other"))
    busy = bench.receive(10 * 20)
    deleted: list[str] = []
    delete_batch = bench.sqs.delete_batch

    def ten_more_meanwhile(url: QueueUrl, handles: Sequence[ReceiptHandle]) -> list[BatchFailure]:
        deleted.append(url)
        bench.clock.advance(0.03)
        for _ in range(min(10, len(busy))):
            acker.delete(busy.pop())
        return delete_batch(url, handles)

    monkeypatch.setattr(bench.sqs, "delete_batch", ten_more_meanwhile)
    acker.delete(lonely)
    for _ in range(10):
        acker.delete(busy.pop())
    assert bench.sqs.wait_until(lambda: bench.bodies(QueueName("other")) == [])
    assert deleted.index(lonely.address.url) <= 3
    stop(acker)
