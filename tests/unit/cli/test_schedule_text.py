from datetime import datetime, timezone

import pytest

from celery_aws.cli.schedule_text import aligned, duration_text, lines, utc_text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (-0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_661, "1 h 1 min"),
        (86_400 * 3 + 5, "3 d 5 s"),
        (86_400 * 400, "400 d"),
        (-5, "5 s ago"),
        (-90, "1 min 30 s ago"),
    ],
)
def test_a_length_of_time_in_two_words(seconds: float, words: str) -> None:
    assert duration_text(seconds) == words


def test_a_moment_to_the_second() -> None:
    assert utc_text(datetime(9999, 12, 31, 23, 59, 59, 999999, timezone.utc)) == (
        "9999-12-31T23:59:59Z"
    )
    assert utc_text(datetime(1, 1, 1, tzinfo=timezone.utc)) == "0001-01-01T00:00:00Z"


def test_columns_and_names_are_aligned() -> None:
    assert aligned([("a", "bb"), ("ccc", "d")]) == ["a    bb", "ccc  d"]
    assert lines([("a", "x"), ("long", "y")]) == ["a     x", "long  y"]
    assert lines([]) == []
