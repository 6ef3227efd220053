from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.delay_plan import (
    DELAY_SECONDS_OF_ANY_QUEUE,
    EARLY_GRACE_SECONDS,
    LEAD_SECONDS,
    UNDELAYED_LEAD_SECONDS,
    Hold,
    Hop,
    Park,
    Plan,
    Send,
    delay_for,
    delay_plan,
    is_early,
    max_delay_seconds,
    send_after,
)
from celery_aws.core.queue_facts import QueueFacts
from celery_aws.limits import SQS_RETENTION_SECONDS_MAX, SQS_RETENTION_SECONDS_MIN

NOW = datetime(2026, 11, 22, 22, 46, tzinfo=timezone.utc)
LEFT = st.floats(-1e6, 1e9, allow_nan=False)
SHORT = st.floats(0, 900)
MAX_DELAYS = st.integers(DELAY_SECONDS_OF_ANY_QUEUE, 900)


def plan(left: float, *, short_seconds: float = 5.0, most: int = 900, parks: bool = True) -> Plan:
    return delay_plan(
        due_in(left), NOW, short_seconds=short_seconds, max_delay_seconds=most, parks=parks
    )


def due_in(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (-86_400, Send()),
        (0, Send()),
        (5, Send()),
        (5.000001, Send(4)),
        (5.5, Send(5)),
        (8, Send(7)),
        (60, Send(59)),
        (899, Send(898)),
        (900, Send(899)),
        (900.000001, Park(due_in(0.000001))),
        (901, Park(due_in(1))),
        (3_600, Park(due_in(2_700))),
        (20 * 86_400, Park(due_in(20 * 86_400 - 900))),
    ],
)
def test_a_standard_queue(left: float, expected: Plan) -> None:
    assert plan(left) == expected


@pytest.mark.parametrize(
    ("left", "expected"), [(5, Send()), (6, Park(due_in(5))), (901, Park(due_in(900)))]
)
def test_a_fifo_queue(left: float, expected: Plan) -> None:
    assert plan(left, most=0) == expected


@pytest.mark.parametrize(
    ("left", "most", "expected"),
    [
        (900, 900, Send(899)),
        (901, 900, Hop(900)),
        (31, 30, Hop(30)),
        (5, 0, Send()),
        (6, 0, Hold()),
    ],
)
def test_without_a_schedule(left: float, most: int, expected: Plan) -> None:
    assert plan(left, most=most, parks=False) == expected


def test_a_queue_that_forgets_soon_is_given_no_long_delay() -> None:
    assert plan(30, most=30) == Send(29)
    assert plan(31, most=30) == Park(due_in(1))


def test_who_holds_nothing_delays_everything_that_sqs_can_delay() -> None:
    assert plan(0.4, short_seconds=0) == Send()
    assert plan(1.5, short_seconds=0) == Send(1)


@given(LEFT, SHORT, MAX_DELAYS)
def test_a_delay_is_never_late_and_never_much_too_early(
    left: float, short_seconds: float, most: int
) -> None:
    made = plan(left, short_seconds=short_seconds, most=most)

    early = due_in(left) - NOW
    if isinstance(made, Park):
        assert made.send_after > NOW
        # Sent at that very moment, it has the longest delay.
        delay = delay_for(due_in(left), made.send_after, max_delay_seconds=most)
        early = due_in(left) - made.send_after - timedelta(seconds=delay or 0)
    elif isinstance(made, Send):
        assert made.delay_seconds is None or 1 <= made.delay_seconds <= most
        early -= timedelta(seconds=made.delay_seconds or 0)
    if early.total_seconds() > short_seconds:
        assert early.total_seconds() <= LEAD_SECONDS + 1
    if made not in (Send(), Hop(most), Hold()) and early.total_seconds() > short_seconds:
        assert early.total_seconds() >= LEAD_SECONDS


@given(LEFT, st.integers(0, 900), st.floats(0, 3_000))
def test_what_is_moved_late_starts_on_time_as_long_as_it_can(
    left: float, most: int, moved_after: float
) -> None:
    due = due_in(left)
    moved_at = send_after(due, max_delay_seconds=most) + timedelta(seconds=moved_after)
    delay = delay_for(due, moved_at, max_delay_seconds=most) or 0

    visible_at = moved_at + timedelta(seconds=delay)
    assert visible_at <= max(due, moved_at)
    if most:
        assert visible_at >= due - timedelta(seconds=LEAD_SECONDS + 1)
    else:
        assert visible_at >= due - timedelta(seconds=UNDELAYED_LEAD_SECONDS)


@given(LEFT, SHORT, MAX_DELAYS)
def test_what_was_sent_by_plan_is_not_early_when_it_arrives(
    left: float, short_seconds: float, most: int
) -> None:
    made = plan(left, short_seconds=short_seconds, most=most)
    if isinstance(made, Send):
        arrives_at = NOW + timedelta(seconds=made.delay_seconds or 0)
        assert not is_early(due_in(left), arrives_at, short_seconds=short_seconds)


@given(LEFT, st.booleans())
def test_hops_end(left: float, fifo: bool) -> None:
    now, due, hops = NOW, due_in(min(left, 1e6)), 0
    while isinstance(
        made := delay_plan(
            due, now, short_seconds=5, max_delay_seconds=0 if fifo else 900, parks=False
        ),
        Hop,
    ):
        now += timedelta(seconds=made.delay_seconds)
        hops += 1
    assert hops <= max(0, left) / 900 + 1


def test_a_task_is_early_only_beyond_what_clocks_differ() -> None:
    assert not is_early(due_in(5 + EARLY_GRACE_SECONDS), NOW, short_seconds=5)
    assert is_early(due_in(5 + EARLY_GRACE_SECONDS + 0.001), NOW, short_seconds=5)


def test_naive_times_cannot_be_meant() -> None:
    naive = due_in(60).replace(tzinfo=None)

    with pytest.raises(TypeError):
        delay_plan(naive, NOW, short_seconds=5, max_delay_seconds=900, parks=True)


@pytest.mark.parametrize(
    ("retention_seconds", "seconds"),
    [(60, 30), (61, 30), (1_799, 899), (1_800, 900), (345_600, 900), (1_209_600, 900)],
)
def test_half_of_the_retention_is_left(retention_seconds: int, seconds: int) -> None:
    assert max_delay_seconds(QueueFacts(retention_seconds=retention_seconds)) == seconds


def test_a_queue_that_does_not_tell_is_taken_to_keep_messages_for_days() -> None:
    assert max_delay_seconds(QueueFacts(refusal="not for you")) == 900


@given(st.integers(SQS_RETENTION_SECONDS_MIN, SQS_RETENTION_SECONDS_MAX))
def test_what_any_queue_can_do_each_queue_can_do(retention_seconds: int) -> None:
    seconds = max_delay_seconds(QueueFacts(retention_seconds=retention_seconds))

    assert DELAY_SECONDS_OF_ANY_QUEUE <= seconds <= retention_seconds // 2
