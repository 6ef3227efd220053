import json
from pathlib import Path

import pytest
from conformance import limits, progress, running, watching
from conformance.outcomes import Outcome, Result
from conformance.progress import Progress

PASSED = Result(outcome=Outcome.PASSED, seconds=0.5)
TIMEOUT = Result(outcome=Outcome.TIMEOUT, seconds=60.0, reason="Timeout")


def lines(*events: dict[str, object]) -> list[str]:
    return [json.dumps(event) for event in events]


def test_what_ran_what_runs_and_what_remains() -> None:
    told = progress.parse(
        lines(
            progress.collected(["a", "b", "c"]),
            progress.started("a", 60),
            progress.finished("a", PASSED),
            progress.started("b", 300.0),
        )
    )

    assert told.finished == {"a": PASSED}
    assert told.running == "b"
    assert told.limit_seconds == 300
    assert told.remaining == ["b", "c"]


def test_a_second_process_collects_the_same_tests_again() -> None:
    told = progress.parse(lines(progress.collected(["a", "b"]), progress.collected(["a", "b"])))

    assert told.collected == ["a", "b"]


def test_a_line_that_a_kill_cut_off_is_left_out() -> None:
    whole = lines(progress.collected(["a"]))

    assert progress.parse([*whole, '{"event": "fini']).remaining == ["a"]


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    progress.append(path, progress.collected(["a"]))
    progress.append(path, progress.finished("a", TIMEOUT))

    assert progress.read(path).finished == {"a": TIMEOUT}
    assert progress.read(tmp_path / "none") == Progress()


def test_only_the_last_timeouts_count() -> None:
    told = Progress(finished={"a": TIMEOUT, "b": PASSED, "c": TIMEOUT, "d": TIMEOUT})

    assert told.timeouts_in_a_row() == 2


def test_a_run_goes_on_while_it_gets_on_and_tests_remain() -> None:
    told = Progress(collected=["a", "b"], finished={"a": TIMEOUT})

    assert running.goes_on(told, progressed=True)
    assert not running.goes_on(told, progressed=False)
    assert not running.goes_on(Progress(collected=["a"], finished={"a": PASSED}), progressed=True)


def test_a_file_whose_tests_all_hang_is_given_up() -> None:
    hanging = {str(number): TIMEOUT for number in range(limits.TIMEOUTS_IN_A_ROW)}
    told = Progress(collected=[*hanging, "rest"], finished=hanging)

    assert not running.goes_on(told, progressed=True)
    assert running.with_the_rest(told)["rest"].outcome is Outcome.NOT_RUN


def test_a_file_that_cannot_be_read_has_failed() -> None:
    told = progress.parse(lines(progress.not_collected("No module named 'x'")))

    (failed,) = running.with_the_rest(told).values()
    assert failed.outcome is Outcome.FAILED
    assert failed.reason == "No module named 'x'"


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (Progress(), limits.BETWEEN_TESTS_SECONDS),
        (Progress(running="a", limit_seconds=300), 300 + limits.GRACE_SECONDS),
    ],
)
def test_how_long_nothing_may_happen(told: Progress, seconds: float) -> None:
    assert watching.allowed_seconds(told) == seconds


def test_tests_that_are_long_by_design_have_longer() -> None:
    long = "t/test_canvas.py::test_chord::test_disabling_flag_allow_error_cb_on_chord_header"

    assert limits.of_test("t/integration/test_tasks.py::test_x") == limits.TEST_SECONDS
    assert limits.of_test(long) == limits.LONG_TEST_SECONDS
