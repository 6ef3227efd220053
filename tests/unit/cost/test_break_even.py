import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.cost.break_even import BreakEven, break_even


@given(st.floats(1e-9, 1e-3), st.floats(0.01, 1e4))
def test_of_a_line_and_a_rent(dollars_each: float, rent: float) -> None:
    found = break_even(lambda amount: amount * dollars_each, lambda _: rent)
    wanted = rent / dollars_each
    if wanted < 1e10:
        assert found.at == pytest.approx(wanted, rel=1e-9)
    assert found.cheaper_before


def test_what_is_free_at_first_moves_it() -> None:
    found = break_even(lambda tasks: max(0.0, tasks - 1e6) * 1e-6, lambda _: 9.0)
    assert found.at == pytest.approx(10e6)


def test_they_may_never_cross() -> None:
    assert break_even(lambda _: 1.0, lambda _: 2.0) == BreakEven(at=None, cheaper_before=True)
    assert break_even(lambda _: 2.0, lambda _: 1.0) == BreakEven(at=None, cheaper_before=False)


def test_the_dearer_one_may_become_the_cheaper_one() -> None:
    found = break_even(lambda _: 20.0, lambda tasks: tasks * 1e-6)
    assert found.at == pytest.approx(20e6)
    assert not found.cheaper_before
