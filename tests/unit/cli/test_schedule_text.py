from datetime import datetime, timezone

from celery_aws.cli.schedule_text import aligned, lines, utc_text


def test_a_moment_to_the_second() -> None:
    assert utc_text(datetime(9999, 12, 31, 23, 59, 59, 999999, timezone.utc)) == (
        "9999-12-31T23:59:59Z"
    )
    assert utc_text(datetime(1, 1, 1, tzinfo=timezone.utc)) == "0001-01-01T00:00:00Z"


def test_columns_and_names_are_aligned() -> None:
    assert aligned([("a", "bb"), ("ccc", "d")]) == ["a    bb", "ccc  d"]
    assert lines([("a", "x"), ("long", "y")]) == ["a     x", "long  y"]
    assert lines([]) == []
