import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.credits import Credits
from celery_aws.core.lingering import (
    LINGER_BEFORE_OTHERS_SECONDS,
    LINGER_SECONDS,
    WorkInHand,
    linger_seconds,
    worth_asking,
)
from celery_aws.limits import SQS_BATCH_ENTRIES

books = st.builds(
    Credits,
    prefetch_count=st.integers(0, 40),
    reserved=st.integers(0, 40),
    held=st.integers(0, 40),
)
works = st.builds(
    WorkInHand,
    tasks=st.integers(0, 60),
    undelivered=st.integers(0, 10),
    slots=st.integers(1, 20),
)
sizes = st.sampled_from([1, SQS_BATCH_ENTRIES])


def drained(*, prefetch: int, slots: int, late: bool) -> list[int]:
    """Let a full worker end its tasks one by one; return how many credits each receive asks for."""
    asked_for: list[int] = []
    waiting, free = prefetch - slots * late, 0
    while len(asked_for) < 20:
        waiting, free = waiting - 1, free + 1
        assert waiting >= 0, "a slot was idle"
        work = WorkInHand(tasks=slots + waiting, undelivered=0, slots=slots)
        held = waiting + slots * late
        books = Credits(prefetch_count=prefetch, held=held)
        if worth_asking(books, work, busy=True, most=SQS_BATCH_ENTRIES):
            asked = min(free, SQS_BATCH_ENTRIES)
            asked_for.append(asked)
            free, waiting = free - asked, waiting + asked
    return asked_for


@pytest.mark.parametrize(
    ("slots", "late", "asked"),
    [
        (1, False, 3),
        (1, True, 2),
        (2, False, 6),
        (2, True, 5),
        (4, False, 10),
        (4, True, 9),
        (16, False, 10),
        (100, True, 10),
    ],
)
def test_a_receive_asks_for_most_of_what_is_prefetched(slots: int, late: bool, asked: int) -> None:
    """With Celery's own ``worker_prefetch_multiplier`` of 4."""
    assert set(drained(prefetch=4 * slots, slots=slots, late=late)) == {asked}


@pytest.mark.parametrize("slots", [1, 2, 16])
def test_what_only_replaces_running_tasks_is_asked_for_at_once(slots: int) -> None:
    """Acknowledged late with a multiplier of 1, nothing ever waits."""
    books = Credits(prefetch_count=slots, held=slots - 1)
    work = WorkInHand(tasks=slots - 1, undelivered=0, slots=slots)

    assert worth_asking(books, work, busy=True, most=SQS_BATCH_ENTRIES)


@given(books, works, sizes)
def test_a_slot_that_is_idle_or_soon_will_be_is_never_kept_waiting(
    books: Credits, work: WorkInHand, most: int
) -> None:
    waiting = work.tasks + work.undelivered - work.slots
    if waiting <= max(1, work.slots // 2):
        assert worth_asking(books, work, busy=True, most=most)


@given(books, works, sizes)
def test_a_full_receive_and_a_quiet_queue_wait_for_nothing(
    books: Credits, work: WorkInHand, most: int
) -> None:
    assert worth_asking(books, work, busy=False, most=most)
    assert worth_asking(books, None, busy=True, most=most)
    if books.free is None or books.free >= most:
        assert worth_asking(books, work, busy=True, most=most)


@given(books, works)
def test_who_holds_nothing_asks(books: Credits, work: WorkInHand) -> None:
    """However much the worker says it has to do: one that counts wrong must not starve."""
    if books.held + work.undelivered <= 1:
        assert worth_asking(books, work, busy=True, most=SQS_BATCH_ENTRIES)


@given(books, works)
def test_a_fifo_queue_brings_one_message_and_is_asked_for_each(
    books: Credits, work: WorkInHand
) -> None:
    if books.free:
        assert worth_asking(books, work, busy=True, most=1)


def test_others_wait_for_less() -> None:
    assert linger_seconds(others=True) == LINGER_BEFORE_OTHERS_SECONDS
    assert linger_seconds(others=False) == LINGER_SECONDS
    assert LINGER_BEFORE_OTHERS_SECONDS < LINGER_SECONDS


def test_what_is_not_delivered_yet_waits_too() -> None:
    work = WorkInHand(tasks=1, undelivered=3, slots=1)

    assert work.spare(held=1) == 3
    assert work.spare(held=0) == 3
    assert WorkInHand(tasks=0, undelivered=1, slots=4).spare(held=0) == 0
