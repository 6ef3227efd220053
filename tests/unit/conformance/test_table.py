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
STOCK: Results = {"celery/test_a.py::one": PASSED}
KNOWN = [Known(tests=("celery/test_a.py::two",), reason="of no use", waits_for="events")]


def test_a_row_for_each_file_and_one_for_all() -> None:
    found = compare(REDIS, OURS, KNOWN)

    assert table.files_table(REDIS, STOCK, OURS, found.expected)[2:] == [
        "| celery/test_a.py | 2 / 0 / 0 / 0 | 1 / 0 / 0 / 0, 1 not run | 1 / 1 / 0 / 0 | 1 |",
        "| kombu/test_b.py | 1 / 0 / 0 / 0 | not run | not run |  |",
        "| together | 3 / 0 / 0 / 0 | 1 / 0 / 0 / 0, 2 not run | 1 / 1 / 0 / 0, 1 not run | 1 |",
    ]


def test_a_row_for_each_test_that_does_not_pass_with_its_reason() -> None:
    skipped = {"celery/test_a.py::zero": Result(outcome=Outcome.SKIPPED, reason="no |")}
    redis, ours = REDIS | skipped, OURS | skipped
    found = compare(redis, ours, KNOWN)

    assert table.differences_table(redis, ours, found.expected)[2:] == [
        "| `celery/test_a.py::two` | passed | failed | of no use; waits for events |",
        "| `celery/test_a.py::zero` | skipped | skipped | no \\| |",
        "| `kombu/test_b.py::three` | passed | not run |  |",
    ]


def test_what_may_fail_is_said_beside_it() -> None:
    sometimes = Known(tests=("celery/test_a.py::one",), reason="a race", sometimes=True)

    assert table.sometimes_table([*KNOWN, sometimes])[2:] == [
        "| `celery/test_a.py::one` | a race |"
    ]
    assert table.sometimes_table(KNOWN) == []


def test_what_somebody_has_to_look_at_is_named_with_its_error() -> None:
    ours = OURS | {"celery/test_a.py::again": Result(outcome=Outcome.PASSED, runs=2)}

    text = "\n".join(report.of_comparison(REDIS, STOCK, ours, compare(REDIS, ours, [])))

    assert "2 REGRESSIONS" in text
    assert "celery/test_a.py::two: failed: why" in text
    assert "1 passed here only when tried again" in text
    assert "1 NOT IN THE RECORD" in text


def test_nothing_is_said_of_what_is_as_it_should_be() -> None:
    text = "\n".join(report.of_comparison(REDIS, STOCK, REDIS, compare(REDIS, REDIS, [])))

    assert text.splitlines()[-1].startswith("| together ")


def test_a_run_on_redis_names_what_fails_there() -> None:
    text = "\n".join(report.of_run("redis", {"celery/test_a.py::two": FAILED}))

    assert "| celery/test_a.py | 0 / 1 / 0 / 0 |" in text
    assert "celery/test_a.py::two: failed: why" in text


def test_the_page_keeps_what_was_written_by_hand() -> None:
    page = f"by hand\n{table.BEGIN}\nold\n{table.END}\nbelow\n"
    record = Record(versions={"kombu": "5.7.0"}, results=REDIS)
    stock = Record(versions={"boto3": "1.43.106"}, results=STOCK)
    lines = report.of_page(record, stock, OURS, compare(REDIS, OURS, KNOWN), KNOWN)

    written = table.into_page(page, lines)

    assert written.startswith("by hand\n")
    assert written.endswith(f"{table.END}\nbelow\n")
    assert "With boto3 1.43.106, kombu 5.7.0." in written
    assert "old" not in written
    assert table.into_page(written, lines) == written


def test_a_page_without_a_place_for_the_tables() -> None:
    with pytest.raises(ValueError, match="no lines"):
        table.into_page("nothing", [])
