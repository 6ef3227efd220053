from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.leases import (
    LIMIT_MARGIN_SECONDS,
    LIMIT_WARNING_SECONDS,
    Lease,
    due_leases,
    lease_of_receive,
)
from celery_aws.limits import SQS_VISIBILITY_TIMEOUT_SECONDS_MAX

HOURS_12 = SQS_VISIBILITY_TIMEOUT_SECONDS_MAX
TIMEOUTS = st.integers(1, HOURS_12)


def lease(timeout_seconds: int = 120, received_at: float = 0.0) -> Lease:
    return lease_of_receive(timeout_seconds, asked_at=received_at, answered_at=received_at)


def test_more_is_asked_for_when_half_of_it_is_left() -> None:
    assert lease(120).extend_at == 60
    assert lease(120).visible_at == 120


def test_a_long_poll_may_have_handed_it_out_early() -> None:
    late = lease_of_receive(120, asked_at=0, answered_at=20)
    assert (late.visible_at, late.extend_at) == (120, 60)


def test_a_short_timeout_allows_for_a_late_answer_only() -> None:
    late = lease_of_receive(4, asked_at=0, answered_at=20)
    assert (late.visible_at, late.extend_at) == (23, 21)


def test_an_extension_counts_from_when_it_was_asked_for() -> None:
    extended = lease(120).extended(61, 120)
    assert (extended.visible_at, extended.extend_at) == (181, 121)


def test_a_failure_is_tried_again_soon_and_then_less_often() -> None:
    failing = lease(120)
    waits = []
    for _ in range(7):
        failed = failing.failed(100, lambda: 1.0)
        waits.append(failed.extend_at - 100)
        failing = failed
    assert waits == [1, 2, 4, 8, 15, 15, 15]
    assert failing.visible_at == 120


def test_a_success_forgets_the_failures() -> None:
    assert lease(120).failed(60, lambda: 0.5).extended(61, 120).failures == 0


def test_it_never_asks_beyond_twelve_hours() -> None:
    held = lease(7_200)
    asked = []
    while held.extend_at < inf:
        seconds = held.extension_seconds(held.extend_at)
        asked.append((held.extend_at, seconds))
        held = held.extended(held.extend_at, seconds)

    assert all(at + seconds <= HOURS_12 - LIMIT_MARGIN_SECONDS for at, seconds in asked)
    assert held.visible_at == pytest.approx(HOURS_12 - LIMIT_MARGIN_SECONDS, abs=1)


def test_a_timeout_of_twelve_hours_is_never_extended() -> None:
    assert lease(HOURS_12).extend_at == inf


@pytest.mark.parametrize("timeout_seconds", [1, 2, 120, 7_200, HOURS_12])
def test_it_is_told_before_the_limit_and_at_its_end(timeout_seconds: int) -> None:
    held = lease(timeout_seconds)
    assert held.attention_at(warned=False) <= HOURS_12 - LIMIT_WARNING_SECONDS
    assert held.near_limit(held.limit_at - LIMIT_WARNING_SECONDS)
    assert not held.near_limit(held.limit_at - LIMIT_WARNING_SECONDS - 1)


def test_one_that_cannot_be_extended_is_looked_at_when_it_ends() -> None:
    assert lease(HOURS_12).attention_at(warned=True) == HOURS_12


@given(timeout_seconds=TIMEOUTS, late=st.floats(0, 3), jitter=st.floats(0, 1, exclude_max=True))
def test_extended_in_time_it_does_not_end_before_the_limit(
    timeout_seconds: int, late: float, jitter: float
) -> None:
    """Whatever the timeout: asked for when due, or a little late, or after one failure."""
    held, now = lease(timeout_seconds), 0.0
    for number in range(200):
        if held.extend_at == inf:
            assert held.visible_at >= held.limit_at - 1 or timeout_seconds == HOURS_12
            return
        now = held.extend_at + min(late, timeout_seconds / 20)
        assert not held.over(now)
        if number % 2:
            held = held.failed(now, lambda: jitter)
            continue
        seconds = held.extension_seconds(now)
        assert 1 <= seconds <= timeout_seconds
        held = held.extended(now, seconds)


def test_nothing_is_due_before_its_time() -> None:
    assert due_leases({"a": lease(120)}.items(), 59) == []


def test_what_is_nearly_due_shares_the_request() -> None:
    leases = {"due": lease(120), "nearly": lease(120, 10), "later": lease(120, 13)}
    assert due_leases(leases.items(), 60) == ["due", "nearly"]
