"""So many a second: what was taken delays what comes after it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.pace import Pace


def test_what_is_taken_is_waited_for() -> None:
    pace = Pace(per_second=5)
    assert pace.rest_seconds(100) == 0

    pace = pace.after(10, 100)

    assert pace.rest_seconds(100) == 2
    assert pace.rest_seconds(101.5) == 0.5
    assert pace.after(5, 101.5).rest_seconds(101.5) == 1.5


def test_idle_time_is_not_made_up_for() -> None:
    assert Pace(per_second=1).after(1, 0).after(1, 1_000).rest_seconds(1_000) == 1


@given(st.lists(st.integers(1, 10), min_size=1), st.floats(0.1, 1_000))
def test_on_average_it_is_never_faster(counts: list[int], per_second: float) -> None:
    pace, now = Pace(per_second=per_second), 0.0
    for count in counts:
        now += pace.rest_seconds(now)
        pace = pace.after(count, now)

    assert now + pace.rest_seconds(now) == pytest.approx(sum(counts) / per_second)
