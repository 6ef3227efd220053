import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.backoff import backoff_seconds


@given(st.integers(1, 10_000), st.floats(0.01, 10), st.floats(10, 600), st.floats(0, 1))
def test_it_stays_within_its_bounds(
    attempt: int, first: float, most: float, fraction: float
) -> None:
    seconds = backoff_seconds(attempt, first_seconds=first, most_seconds=most, fraction=fraction)

    longest = min(most, first * 2.0 ** min(attempt - 1, 30))
    assert longest / 10 <= seconds * (1 + 1e-9)
    assert seconds <= longest * (1 + 1e-9)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 0.5), (2, 1), (3, 2), (7, 20), (99, 20)])
def test_it_doubles_up_to_the_longest(attempt: int, seconds: float) -> None:
    assert backoff_seconds(attempt, first_seconds=0.5, most_seconds=20, fraction=1) == seconds


def test_a_fleet_does_not_come_back_at_once() -> None:
    early = backoff_seconds(3, first_seconds=1, most_seconds=20, fraction=0)
    late = backoff_seconds(3, first_seconds=1, most_seconds=20, fraction=1)

    assert late == 10 * early
