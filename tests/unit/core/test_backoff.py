import pytest

from celery_aws.core.backoff import Backoff, is_worth_logging

BACKOFF = Backoff(base_seconds=0.5, cap_seconds=4.0)


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 0.5), (1, 1), (3, 4), (4, 4), (9999, 4)])
def test_the_bound_doubles_up_to_the_cap(attempt: int, seconds: float) -> None:
    assert BACKOFF.bound_seconds(attempt) == seconds


def test_the_wait_is_anywhere_below_the_bound() -> None:
    assert BACKOFF.wait_seconds(1, lambda: 0.0) == 0
    assert BACKOFF.wait_seconds(1, lambda: 0.25) == 0.25


def test_a_long_outage_is_told_of_less_and_less_often() -> None:
    assert [each for each in range(1, 101) if is_worth_logging(each)] == [1, 2, 4, 8, 16, 32, 64]
