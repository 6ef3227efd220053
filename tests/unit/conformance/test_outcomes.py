from pathlib import Path

from conformance import outcomes
from conformance.outcomes import Outcome, Record, Result

RECORD = Record(
    versions={"celery": "5.7.0"},
    results={
        "celery/test_a.py::a[x]": Result(outcome=Outcome.PASSED, seconds=1.5, runs=2),
        "celery/test_a.py::b": Result(outcome=Outcome.FAILED, seconds=0.1, reason='"why"\n'),
    },
)


def test_a_record_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "new" / "record.json"

    outcomes.save(path, RECORD)

    assert outcomes.load(path) == RECORD


def test_a_test_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "record.json"

    outcomes.save(path, RECORD)

    (line,) = [line for line in path.read_text().splitlines() if "test_a.py::b" in line]
    stored = '{"outcome": "failed", "seconds": 0.1, "reason": "\\"why\\"\\n"}'
    assert line == f'    "celery/test_a.py::b": {stored}'


def test_no_record_is_an_empty_one(tmp_path: Path) -> None:
    assert outcomes.load(tmp_path / "none.json") == Record(versions={}, results={})


def test_a_file_that_ran_again_loses_the_tests_that_it_no_longer_has() -> None:
    other = {"celery/test_ab.py::c": Result(outcome=Outcome.SKIPPED)}
    fresh = {"celery/test_a.py::new": Result(outcome=Outcome.PASSED)}
    record = Record(versions={}, results=RECORD.results | other)

    assert record.with_file("celery/test_a.py", fresh).results == other | fresh
