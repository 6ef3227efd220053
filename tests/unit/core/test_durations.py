import pytest

from celery_aws.core.durations import duration_text


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
