import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from celery_aws.core.credits import Credits


def test_without_a_limit_any_number_is_free() -> None:
    assert Credits().free is None
    assert Credits().reserve(1_000).free is None


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50))
def test_no_more_than_what_is_free_can_be_reserved(limit: int, held: int, wanted: int) -> None:
    credits_ = Credits(prefetch_count=limit, held=held)
    free = credits_.free
    assert free is not None

    if wanted <= free:
        assert credits_.reserve(wanted).free == free - wanted
    else:
        with pytest.raises(ValueError, match="are free"):
            credits_.reserve(wanted)


def test_a_lower_limit_leaves_nothing_free_until_it_is_kept() -> None:
    credits_ = Credits(prefetch_count=4).reserve(4).with_prefetch_count(2)

    assert credits_.free == 0
    assert credits_.release(2).free == 0
    assert credits_.release(3).free == 1


def test_delivering_turns_a_reserved_credit_into_a_held_one() -> None:
    credits_ = Credits(prefetch_count=2).reserve(1).deliver()

    assert (credits_.reserved, credits_.held, credits_.free) == (0, 1, 1)


@pytest.mark.parametrize("wrong", ["release", "settle"])
def test_what_is_not_there_cannot_be_given_back(wrong: str) -> None:
    with pytest.raises(ValueError, match="1 of 0"):
        getattr(Credits(prefetch_count=1), wrong)(1)


def test_a_message_that_nobody_reserved_can_be_held() -> None:
    assert Credits(prefetch_count=1).hold().free == 0
    assert Credits(prefetch_count=1).hold().hold().free == 0


def test_what_is_overdrawn_is_made_up_for_before_anything_is_free() -> None:
    credits_ = Credits(prefetch_count=2).reserve(2).overdraw(1)

    assert credits_.free == 0
    assert credits_.deliver().release(2).settle().free == 2
    assert credits_.with_prefetch_count(3).free == 0
    assert Credits().overdraw(1).free is None


class TestWithinSlots:
    def test_where_slots_do_not_count_the_books_stay_as_they_are(self) -> None:
        credits_ = Credits(prefetch_count=2, held=2)

        assert credits_.within_slots(None, delivering=1) is credits_

    @pytest.mark.parametrize(
        ("prefetch_count", "slots", "free"),
        [(0, 3, 3), (10, 3, 3), (6, 3, 2), (4, 3, None), (0, 0, None), (10, 0, None)],
    )
    def test_the_lower_of_both_limits_holds(
        self, prefetch_count: int, slots: int, free: int | None
    ) -> None:
        within = Credits(prefetch_count=prefetch_count, held=4).within_slots(slots, delivering=0)

        assert (within and within.free) == free

    def test_what_is_asked_for_and_what_is_being_delivered_will_take_slots(self) -> None:
        credits_ = Credits(reserved=2)

        within = credits_.within_slots(4, delivering=1)
        assert within is not None
        assert within.free == 1
        assert credits_.within_slots(4, delivering=2) is None
        assert credits_.within_slots(4, delivering=3) is None

    @given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
    def test_it_allows_no_more_than_either_limit_alone(
        self, prefetch_count: int, reserved: int, held: int, slots: int
    ) -> None:
        credits_ = Credits(prefetch_count=prefetch_count, reserved=reserved, held=held)
        within = credits_.within_slots(slots, delivering=0)

        if within is None:
            assert credits_.free == 0 or slots <= reserved
        else:
            assert within.free is not None
            assert 0 < within.free <= slots - reserved
            assert credits_.free is None or within.free <= credits_.free


class Books(RuleBasedStateMachine):
    """Any order of reserving, delivering and settling keeps the books."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Credits(prefetch_count=7)

    @rule(messages=st.integers(1, 10))
    def reserve(self, messages: int) -> None:
        free = self.books.free
        if free is None or messages <= free:
            self.books = self.books.reserve(messages)

    @precondition(lambda self: self.books.reserved)
    @rule()
    def deliver(self) -> None:
        self.books = self.books.deliver()

    @precondition(lambda self: self.books.reserved)
    @rule()
    def release(self) -> None:
        self.books = self.books.release(1)

    @precondition(lambda self: self.books.held)
    @rule()
    def settle(self) -> None:
        self.books = self.books.settle()

    @invariant()
    def the_prefetch_count_is_kept(self) -> None:
        assert self.books.reserved >= 0
        assert self.books.held >= 0
        assert self.books.reserved + self.books.held <= self.books.prefetch_count


TestBooks = Books.TestCase
