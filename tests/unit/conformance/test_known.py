import pytest
from conformance import known, outcomes
from conformance.__main__ import RECORDS
from conformance.known import Known, MalformedError


def test_a_name_stands_for_itself_brackets_included() -> None:
    entry = Known(tests=("celery/test_a.py::test_b[1]",), reason="r")

    assert entry.covers("celery/test_a.py::test_b[1]")
    assert not entry.covers("celery/test_a.py::test_b1")
    assert not entry.covers("celery/test_a.py::test_b[1]x")


def test_a_star_at_the_end_stands_for_any_rest() -> None:
    entry = Known(tests=("celery/test_a.py::test_b[*",), reason="r")

    assert entry.covers("celery/test_a.py::test_b[1]")
    assert not entry.covers("celery/test_a.py::test_b")


def test_what_may_be_left_out() -> None:
    (entry,) = known.parse({"difference": [{"tests": ["a"], "reason": "r"}]})

    assert entry == Known(tests=("a",), reason="r", waits_for="", sometimes=False)


@pytest.mark.parametrize(
    "entry",
    [
        {"tests": ["a"]},
        {"reason": "r"},
        {"tests": [], "reason": "r"},
        {"tests": "a", "reason": "r"},
        {"tests": ["a"], "reason": ""},
        {"tests": ["a"], "reason": "r", "wait_for": "misspelt"},
    ],
)
def test_an_entry_that_says_too_little_or_something_unknown(entry: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        known.parse({"difference": [entry]})


def test_a_misspelt_table() -> None:
    with pytest.raises(MalformedError, match="differences"):
        known.parse({"differences": []})


def test_names_that_match_nothing_are_found() -> None:
    entries = [Known(tests=("a", "b*", "c"), reason="r")]

    assert known.stands_for_nothing(entries, ["a", "bb"]) == ["c"]


def test_the_checked_in_list_speaks_of_tests_that_pass_on_redis() -> None:
    redis = outcomes.load(RECORDS["redis"]).results
    passing = [test for test, each in redis.items() if each.passed]

    assert passing
    assert known.stands_for_nothing(known.load(), passing) == []
