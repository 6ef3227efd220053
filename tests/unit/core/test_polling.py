import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.credits import Credits
from celery_aws.core.polling import (
    BUSY_WAIT_SECONDS,
    IDLE_AFTER_SECONDS,
    SCARCE_WAIT_SECONDS,
    SHORT_POLL_REST_SECONDS,
    TURN_WAIT_SECONDS,
    YIELD_SECONDS,
    Contention,
    Poll,
    idle_rest_seconds,
    may_double,
    next_poll,
)
from celery_aws.limits import SQS_BATCH_ENTRIES, SQS_WAIT_TIME_SECONDS_MAX

books = st.builds(
    Credits,
    prefetch_count=st.integers(0, 40),
    reserved=st.integers(0, 40),
    held=st.integers(0, 40),
)
contentions = st.integers(1, 12).flatmap(
    lambda receivers: st.integers(0, receivers - 1).flatmap(
        lambda waiting: st.builds(
            Contention,
            receivers=st.just(receivers),
            waiting=st.just(waiting),
            waiting_busy=st.integers(0, waiting),
        )
    )
)
waits = st.integers(0, SQS_WAIT_TIME_SECONDS_MAX)


@given(books, contentions, st.booleans(), waits, st.floats(0, 60))
def test_a_poll_is_one_that_sqs_and_the_credits_allow(
    books: Credits, contention: Contention, busy: bool, wait: int, rest: float
) -> None:
    poll = next_poll(books, contention, busy=busy, wait_time_seconds=wait, rest_seconds=rest)

    free = books.free
    assert (poll is None) == (free == 0)
    if poll is not None:
        assert 1 <= poll.max_messages <= SQS_BATCH_ENTRIES
        assert free is None or poll.max_messages <= free
        assert 0 <= poll.wait_seconds <= wait
        assert poll.rest_seconds >= 0
        books.reserve(poll.max_messages)


def poll_of(*, prefetch: int, held: int = 0, busy: bool = False, **contention: int) -> Poll | None:
    return next_poll(
        Credits(prefetch_count=prefetch, held=held),
        Contention(**contention),
        busy=busy,
        wait_time_seconds=20,
    )


def test_a_quiet_receiver_alone_leaves_one_for_a_queue_to_come() -> None:
    assert poll_of(prefetch=4) == Poll(max_messages=3, wait_seconds=20)
    assert poll_of(prefetch=1) == Poll(max_messages=1, wait_seconds=20)


def test_a_busy_receiver_alone_asks_for_all_that_is_free() -> None:
    assert poll_of(prefetch=4, busy=True) == Poll(max_messages=4, wait_seconds=BUSY_WAIT_SECONDS)


def test_a_short_poll_that_brings_nothing_is_followed_by_a_rest() -> None:
    poll = next_poll(Credits(), Contention(), busy=False, wait_time_seconds=0)
    assert poll == Poll(max_messages=10, wait_seconds=0, rest_seconds=SHORT_POLL_REST_SECONDS)
    poll = next_poll(Credits(), Contention(), busy=False, wait_time_seconds=0, rest_seconds=0.2)
    assert poll == Poll(max_messages=10, wait_seconds=0, rest_seconds=0.2)


def test_without_a_limit_everybody_asks_for_ten() -> None:
    assert poll_of(prefetch=0, receivers=3) == Poll(max_messages=10, wait_seconds=20)


@pytest.mark.parametrize(
    ("prefetch", "waiting", "wait_seconds"),
    [
        (20, 0, 20),
        (3, 0, SCARCE_WAIT_SECONDS),
        (3, 1, TURN_WAIT_SECONDS),
    ],
)
def test_a_quiet_queue_takes_one_credit_for_as_long_as_there_is_room(
    prefetch: int, waiting: int, wait_seconds: int
) -> None:
    poll = poll_of(prefetch=prefetch, receivers=2, waiting=waiting)

    assert poll == Poll(max_messages=1, wait_seconds=wait_seconds)


def test_a_quiet_queue_yields_to_a_busy_one() -> None:
    poll = poll_of(prefetch=3, receivers=2, waiting=1, waiting_busy=1)

    assert poll == Poll(max_messages=1, wait_seconds=0, rest_seconds=YIELD_SECONDS)


def test_a_busy_queue_leaves_a_credit_to_each_that_waits() -> None:
    poll = poll_of(prefetch=8, receivers=3, waiting=2, busy=True)

    assert poll == Poll(max_messages=6, wait_seconds=BUSY_WAIT_SECONDS)


@given(st.floats(0, 1e7), st.floats(0, 3_600))
def test_only_a_queue_that_is_quiet_for_long_is_polled_less(quiet: float, most: float) -> None:
    rest = idle_rest_seconds(quiet, most)

    assert 0 <= rest <= most
    assert idle_rest_seconds(quiet, 0) == 0
    if quiet < IDLE_AFTER_SECONDS:
        assert rest == 0


def test_the_rest_grows_with_the_quiet_time() -> None:
    rests = [idle_rest_seconds(minutes * 60, 60) for minutes in (4, 5, 8, 10, 1_000)]

    assert rests == [0, 30, 48, 60, 60]


@pytest.mark.parametrize(("receivers", "rest"), [(1, 0), (2, 45)])
def test_a_queue_alone_is_never_left(receivers: int, rest: float) -> None:
    poll = next_poll(
        Credits(prefetch_count=8),
        Contention(receivers=receivers),
        busy=False,
        wait_time_seconds=20,
        idle_rest_seconds=45,
    )

    assert poll is not None
    assert poll.rest_seconds == rest


@pytest.mark.parametrize(
    ("free", "receivers", "expected"),
    [(19, 1, False), (20, 1, True), (20, 2, False), (30, 2, True)],
)
def test_a_second_receive_leaves_a_full_one_to_each_receiver(
    free: int, receivers: int, expected: bool
) -> None:
    assert may_double(Credits(prefetch_count=free + 7, held=7), receivers) is expected


def test_without_a_limit_there_is_always_room_for_a_second_receive() -> None:
    assert may_double(Credits(), 16)
