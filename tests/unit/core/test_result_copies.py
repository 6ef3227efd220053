"""Which of two states is further, and how long a copy lives."""

from datetime import datetime, timezone

import pytest

from celery_aws.core.result_copies import life_seconds, rank_of

NOW = datetime(2026, 5, 1, 12, 0, 0, 700_000, tzinfo=timezone.utc)


def test_a_success_is_further_than_all() -> None:
    order = [None, "PROGRESS", "FAILURE", "SUCCESS"]
    assert sorted(order, key=rank_of) == order
    assert rank_of("REVOKED") == rank_of("FAILURE")
    assert rank_of("RETRY") == rank_of("STARTED") == rank_of("PROGRESS")


@pytest.mark.parametrize(
    ("left_milliseconds", "seconds"),
    [(None, None), (0, 0), (299, 0), (300, 1), (86_400_000, 86_400)],
)
def test_a_copy_lives_until_the_second_in_which_its_original_ends(
    left_milliseconds: int | None, seconds: int | None
) -> None:
    assert life_seconds(NOW, left_milliseconds) == seconds
