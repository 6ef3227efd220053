import threading

import pytest

from celery_aws.clock import Clock
from celery_aws.testing.clock import START, FakeClock


def test_it_is_a_clock_that_stands_still() -> None:
    clock: Clock = FakeClock()

    assert (clock.now(), clock.monotonic()) == (START, 0.0)


def test_advancing_moves_both_times() -> None:
    clock = FakeClock()

    clock.advance(90)

    assert clock.monotonic() == 90
    assert (clock.now() - START).total_seconds() == 90


def test_sleeping_moves_the_clock_and_is_recorded() -> None:
    clock = FakeClock()

    clock.sleep(0.5)
    clock.sleep(2)

    assert clock.sleeps == [0.5, 2]
    assert clock.monotonic() == 2.5


def test_it_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="does not go back"):
        FakeClock().advance(-1)


def test_advancing_wakes_what_waits() -> None:
    clock = FakeClock()
    condition = threading.Condition()
    clock.wakes(condition)
    waiting = threading.Event()
    seen: list[float] = []

    def wait() -> None:
        with condition:
            waiting.set()
            condition.wait_for(lambda: clock.monotonic() >= 60, timeout=10)
            seen.append(clock.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(10)
    clock.advance(60)
    thread.join(10)

    assert seen == [60]
