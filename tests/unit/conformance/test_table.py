import pytest
from conformance import report, table
from conformance.comparison import compare
from conformance.known import Known
from conformance.outcomes import Outcome, Record, Result, Results

PASSED = Result(outcome=Outcome.PASSED)
FAILED = Result(outcome=Outcome.FAILED, reason="why")

REDIS: Results = {
    "celery/test_a.py::one": PASSED,
    "celery/test_a.py::two": PASSED,
    "kombu/test_b.py::three": PASSED,
}
OURS: Results = {
    "celery/test_a.py::one": PASSED,
    "celery/test_a.py::two": FAILED,
    "kombu/test_b.py::three": Result(outcome=Outcome.NOT_RUN),
}
KNOWN = [Known(tests=("celery/test_a.py::two",), reason="of no use", waits_for="events")]


def test_a_row_for_each_file_and_one_for_all() -> None:
    found = compare(REDIS, OURS, KNOWN)

    assert table.files_table(REDIS, OURS, found.expected)[2:] == [
        "| celery/test_a.py | 2 / 0 / 0 / 0 | 1 / 1 / 0 / 0 | 1 |",
        "| kombu/test_b.py | 1 / 0 / 0 / 0 | 0 / 1 / 0 / 0 |  |",
        "| together | 3 / 0 / 0 / 0 | 1 / 2 / 0 / 0 | 1 |",
    ]


def test_a_row_for_each_reason() -> None:
    found = compare(REDIS, OURS, KNOWN)
    unused = Known(tests=("celery/test_c.py::*",), reason="not run")

    assert table.known_table(found.expected, [*KNOWN, unused])[2:] == ["| 1 | of no use | events |"]


def test_what_somebody_has_to_look_at_is_named_with_its_error() -> None:
    ours = OURS | {"celery/test_a.py::again": Result(outcome=Outcome.PASSED, runs=2)}

    text = "\n".join(report.of_comparison(REDIS, ours, compare(REDIS, ours, [])))

    assert "2 REGRESSIONS" in text
    assert "celery/test_a.py::two: failed: why" in text
    assert "1 passed here only when tried again" in text
    assert "1 NOT IN THE RECORD" in text


def test_nothing_is_said_of_what_is_as_it_should_be() -> None:
    text = "\n".join(report.of_comparison(REDIS, REDIS, compare(REDIS, REDIS, [])))

    assert text.splitlines()[-1].startswith("| together ")


def test_the_run_on_redis_names_what_fails_there() -> None:
    text = "\n".join(report.of_redis({"celery/test_a.py::two": FAILED}))

    assert "| celery/test_a.py | 0 / 1 / 0 / 0 |" in text
    assert "celery/test_a.py::two: failed: why" in text


def test_the_page_keeps_what_was_written_by_hand() -> None:
    page = f"by hand\n{table.BEGIN}\nold\n{table.END}\nbelow\n"
    record = Record(versions={"kombu": "5.7.0"}, results=REDIS)
    lines = report.of_page(record, OURS, compare(REDIS, OURS, KNOWN), KNOWN)

    written = table.into_page(page, lines)

    assert written.startswith("by hand\n")
    assert written.endswith(f"{table.END}\nbelow\n")
    assert "With kombu 5.7.0." in written
    assert "old" not in written
    assert table.into_page(written, lines) == written


def test_a_page_without_a_place_for_the_tables() -> None:
    with pytest.raises(ValueError, match="no lines"):
        table.into_page("nothing", [])
