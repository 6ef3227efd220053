"""The thread that sends events. Real threads; the clock is the test's."""

import threading
from collections.abc import Iterator
from typing import cast

import pytest

from celery_aws.control.event_sender import BUNDLE_EVENTS, INTERVAL_SECONDS, EventSender
from tests.unit.control.conftest import (
    FAULT,
    PATIENCE_SECONDS,
    StillClock,
    World,
    eventually,
    threads_of_ours,
)
from tests.unit.control.test_event_sender import Bench


@pytest.fixture
def bench(world: World) -> Iterator[Bench]:
    made = Bench(world, EventSender)
    yield made
    assert made.sender.stop(PATIENCE_SECONDS)


@pytest.fixture
def still(world: World) -> StillClock:
    return cast("StillClock", world.clock)


def sends(bench: Bench, times: int) -> bool:
    return bench.world.sqs.wait_until(lambda: bench.world.sqs.count("SendMessage") >= times)


def test_with_nobody_bound_there_is_no_thread(bench: Bench) -> None:
    bench.put("1")
    assert not bench.sender.alive
    assert bench.sender.flush(PATIENCE_SECONDS)


def test_the_first_comes_at_once_and_then_one_message_a_second(
    bench: Bench, still: StillClock
) -> None:
    url = bench.monitor()
    bench.put("first")
    assert sends(bench, 1)
    for number in range(10):
        bench.put(str(number))
    assert still.has_paused(1)
    assert bench.world.sqs.count("SendMessage") == 1
    still.advance(INTERVAL_SECONDS)
    assert sends(bench, 2)
    assert bench.bundles(url) == [["first"], list(map(str, range(10)))]


def test_a_full_bundle_does_not_wait(bench: Bench) -> None:
    url = bench.monitor()
    bench.put("first")
    assert sends(bench, 1)
    bench.put(*["more"] * BUNDLE_EVENTS)
    assert sends(bench, 2)
    assert len(bench.bundles(url)) == 2


def test_putting_waits_for_nothing(bench: Bench) -> None:
    bench.monitor()
    entered, leave = threading.Event(), threading.Event()

    def slow() -> None:
        entered.set()
        assert leave.wait(PATIENCE_SECONDS)

    bench.sqs.meets(before=slow)
    bench.put("1")
    assert entered.wait(PATIENCE_SECONDS)
    bench.put(*["2"] * 1_000)
    assert not bench.sender.flush(0.01)
    leave.set()
    assert bench.sender.flush(PATIENCE_SECONDS)


def test_flushed_nothing_waits(bench: Bench) -> None:
    url = bench.monitor()
    bench.put("1")
    assert sends(bench, 1)
    bench.put("2")
    assert bench.sender.flush(PATIENCE_SECONDS)
    assert bench.bundles(url) == [["1"], ["2"]]


def test_several_may_flush_at_once(bench: Bench) -> None:
    url = bench.monitor()
    bench.put("1")
    assert sends(bench, 1)
    bench.put(*["2"] * 20)
    done: list[bool] = []
    threads = [
        threading.Thread(target=lambda: done.append(bench.sender.flush(PATIENCE_SECONDS)))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert done == [True] * 5
    assert sum(map(len, bench.bundles(url))) == 21


def test_stopped_it_sends_all_that_is_left(bench: Bench) -> None:
    url = bench.monitor()
    bench.put("1")
    assert sends(bench, 1)
    with bench.sender._changed:
        # More than a bundle, before the thread can look.
        bench.put(*["2"] * (BUNDLE_EVENTS * 3 + 1))
        bench.sender._stopping.set()
    assert bench.sender.stop(PATIENCE_SECONDS)
    assert sum(map(len, bench.bundles(url))) == BUNDLE_EVENTS * 3 + 2
    assert bench.dropped == 0


def test_stopped_in_an_outage_it_tries_once_and_counts_the_rest(
    bench: Bench, still: StillClock
) -> None:
    bench.monitor()
    bench.world.sqs.faults.fail("SendMessage", FAULT, times=1_000)
    bench.put("1")
    assert sends(bench, 1)
    bench.put(*["2"] * (BUNDLE_EVENTS * 3))
    assert still.has_paused(1)
    assert bench.sender.stop(PATIENCE_SECONDS)
    assert bench.world.sqs.count("SendMessage") == 2
    assert bench.dropped == BUNDLE_EVENTS * 3 + 1


def test_an_outage_is_no_reason_to_spin(bench: Bench, still: StillClock) -> None:
    bench.monitor()
    bench.world.sqs.faults.fail("SendMessage", FAULT, times=3)
    for number in range(1, 4):
        bench.put("1")
        assert sends(bench, number)
        bench.put(*["2"] * BUNDLE_EVENTS)
        assert still.has_paused(number)
        assert bench.world.sqs.count("SendMessage") == number
        still.advance(60)
    assert sends(bench, 4)


def test_flushing_in_an_outage_ends(bench: Bench) -> None:
    bench.monitor()
    bench.world.sqs.faults.fail("SendMessage", FAULT, times=1_000)
    bench.put(*["1"] * (BUNDLE_EVENTS * 5))
    bench.sender.flush(PATIENCE_SECONDS)
    assert bench.sender.stop(PATIENCE_SECONDS)
    assert bench.dropped == BUNDLE_EVENTS * 5


def test_a_bug_does_not_end_it(bench: Bench, still: StillClock) -> None:
    url = bench.monitor()
    bench.sqs.meets(before=lambda: 1 / 0)
    bench.put("lost")
    eventually(lambda: bench.dropped == 1 and not bench.sender._sending)
    still.advance(60)
    bench.put("sent")
    assert sends(bench, 1)
    assert bench.bundles(url) == [["sent"]]
    assert threads_of_ours().count("celery-aws-events") == 1


def test_after_the_stop_nothing_is_started(bench: Bench) -> None:
    bench.monitor()
    assert bench.sender.stop(PATIENCE_SECONDS)
    bench.put("1")
    assert not bench.sender.alive
    assert bench.sender.flush(PATIENCE_SECONDS)
