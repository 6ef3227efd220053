from datetime import timedelta

import pytest

from celery_aws.results.lifetimes import Expires, lifetimes


@pytest.mark.parametrize(
    ("ttl_seconds", "result_expires", "life"),
    [
        (None, timedelta(days=1), 86400),
        (None, 3600.0, 3600),
        (None, None, None),
        (None, 0, None),
        (60, 3600, 60),
        (-1, 3600, None),
        (0, 3600, None),
    ],
)
def test_the_url_is_stronger_than_result_expires(
    ttl_seconds: int | None, result_expires: Expires, life: int | None
) -> None:
    lives = lifetimes(ttl_seconds=ttl_seconds, result_expires=result_expires)
    assert (lives.result, lives.failure, lives.chord) == (life, life, life)


def test_a_failure_may_have_a_life_of_its_own() -> None:
    lives = lifetimes(ttl_seconds=None, result_expires=60, failure_expires=600)
    assert lives.of_state("FAILURE", in_chord=False) == 600
    assert lives.of_state("REVOKED", in_chord=False) == 60
    assert lives.of_state("SUCCESS", in_chord=False) == 60


@pytest.mark.parametrize(
    ("result", "chord", "part"), [(60, 600, 600), (600, 60, 600), (60, 0, None), (None, 60, None)]
)
def test_a_chords_parts_live_as_long_as_the_longer_of_both(
    result: int | None, chord: int, part: int | None
) -> None:
    lives = lifetimes(ttl_seconds=None, result_expires=result, chord_expires=chord)
    assert lives.chord_part == part
    assert lives.of_state("SUCCESS", in_chord=True) == part


@pytest.mark.parametrize(
    ("chord_expires", "longest"), [(None, 600), (30, 600), (900, 900), (0, None)]
)
def test_the_longest_life(chord_expires: Expires, longest: int | None) -> None:
    lives = lifetimes(
        ttl_seconds=None, result_expires=60, failure_expires=600, chord_expires=chord_expires
    )
    assert lives.longest == longest
