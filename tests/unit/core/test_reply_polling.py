from itertools import accumulate

import pytest

from celery_aws.core.reply_polling import (
    EXPECTED_SECONDS,
    IDLE_SECONDS,
    PAUSES_SECONDS,
    ReplyPolling,
)


class Asked:
    """When somebody was asked."""

    def __init__(self, at: float | None) -> None:
        self.at = at

    def __call__(self) -> float | None:
        return self.at


def pauses(polling: ReplyPolling, count: int, *, now: float) -> list[float]:
    return [polling.pause_seconds(now) for _ in range(count)]


def test_it_is_asked_often_at_first_and_evenly_then() -> None:
    polling = ReplyPolling(Asked(10.0))

    assert pauses(polling, 8, now=10.0) == [*PAUSES_SECONDS, PAUSES_SECONDS[-1], PAUSES_SECONDS[-1]]


def test_what_a_second_of_waiting_costs() -> None:
    asked_at = list(accumulate(pauses(ReplyPolling(Asked(0.0)), 20, now=0.0)))

    # A worker answers within some 50 ms: that is seen by the third question.
    assert [round(at, 3) for at in asked_at[:3]] == [0.04, 0.1, 0.19]
    assert sum(at <= 1.0 for at in asked_at) == 6


@pytest.mark.parametrize("asked_at", [None, 10.0 - EXPECTED_SECONDS - 0.1])
def test_it_is_hardly_asked_if_nobody_can_answer(asked_at: float | None) -> None:
    assert pauses(ReplyPolling(Asked(asked_at)), 3, now=10.0) == [IDLE_SECONDS] * 3


def test_an_answer_is_expected_for_a_minute() -> None:
    polling = ReplyPolling(Asked(10.0))

    assert polling.pause_seconds(10.0 + EXPECTED_SECONDS) == PAUSES_SECONDS[0]
    assert polling.pause_seconds(10.1 + EXPECTED_SECONDS) == IDLE_SECONDS


def test_a_new_command_begins_anew() -> None:
    asked = Asked(10.0)
    polling = ReplyPolling(asked)
    pauses(polling, 5, now=10.0)

    asked.at = 12.0

    assert pauses(polling, 2, now=12.0) == list(PAUSES_SECONDS[:2])


def test_replies_bring_others() -> None:
    polling = ReplyPolling(Asked(10.0))
    pauses(polling, 6, now=10.0)

    polling.found(0)
    assert polling.pause_seconds(10.0) == PAUSES_SECONDS[-1]
    polling.found(3)
    assert pauses(polling, 2, now=10.0) == list(PAUSES_SECONDS[2:4])


def test_replies_do_not_slow_down_the_first_questions() -> None:
    polling = ReplyPolling(Asked(10.0))
    polling.pause_seconds(10.0)

    polling.found(1)

    assert polling.pause_seconds(10.0) == PAUSES_SECONDS[1]
