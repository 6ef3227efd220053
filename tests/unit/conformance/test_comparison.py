from conformance.comparison import compare, expected_of
from conformance.known import Known
from conformance.outcomes import Outcome, Result, Results

PASSED = Result(outcome=Outcome.PASSED)
FAILED = Result(outcome=Outcome.FAILED, reason="why")
SKIPPED = Result(outcome=Outcome.SKIPPED)
TIMEOUT = Result(outcome=Outcome.TIMEOUT)


def named(**results: Result) -> Results:
    return {f"celery/test_a.py::{name}": each for name, each in results.items()}


def known(*names: str, sometimes: bool = False) -> list[Known]:
    tests = tuple(f"celery/test_a.py::{name}" for name in names)
    return [Known(tests=tests, reason="r", sometimes=sometimes)]


def test_what_passes_on_both_or_fails_on_both_is_no_difference() -> None:
    results = named(a=PASSED, b=FAILED, c=SKIPPED, d=TIMEOUT)

    found = compare(results, results, [])

    assert found.as_expected
    assert not found.gained


def test_whatever_does_not_pass_here_is_a_regression() -> None:
    redis = named(a=PASSED, b=PASSED, c=PASSED, d=PASSED)

    found = compare(redis, named(a=FAILED, b=TIMEOUT, c=SKIPPED), [])

    assert not found.as_expected
    assert [each.outcome for each in found.regressions.values()] == [
        Outcome.FAILED,
        Outcome.TIMEOUT,
        Outcome.SKIPPED,
        Outcome.NOT_RUN,
    ]


def test_a_known_difference_is_as_expected() -> None:
    listed = known("a")

    found = compare(named(a=PASSED), named(a=FAILED), listed)

    assert found.as_expected
    assert found.expected == {"celery/test_a.py::a": listed[0]}


def test_a_known_difference_that_passes_has_to_be_taken_out() -> None:
    found = compare(named(a=PASSED), named(a=PASSED), known("a"))

    assert not found.as_expected
    assert found.mended == ["celery/test_a.py::a"]


def test_a_difference_that_comes_and_goes_may_do_either() -> None:
    listed = known("a", sometimes=True)

    assert compare(named(a=PASSED), named(a=PASSED), listed).as_expected
    assert compare(named(a=PASSED), named(a=FAILED), listed).as_expected


def test_a_test_that_redis_has_no_record_of() -> None:
    found = compare({}, named(a=PASSED), [])

    assert not found.as_expected
    assert found.unrecorded == ["celery/test_a.py::a"]


def test_what_passes_here_alone_is_gained() -> None:
    found = compare(named(a=FAILED), named(a=PASSED), [])

    assert found.as_expected
    assert found.gained == ["celery/test_a.py::a"]


def test_only_the_files_that_were_run_are_missed() -> None:
    redis = {"celery/test_a.py::a": PASSED, "celery/test_b.py::b": PASSED}

    assert list(expected_of(redis, ["celery/test_a.py"], {}, partly=False)) == [
        "celery/test_a.py::a"
    ]


def test_of_a_file_that_was_run_in_part_only_that_part_is_missed() -> None:
    redis = named(a=PASSED, b=PASSED)

    expected = expected_of(redis, ["celery/test_a.py"], named(b=FAILED), partly=True)

    assert list(expected) == ["celery/test_a.py::b"]
