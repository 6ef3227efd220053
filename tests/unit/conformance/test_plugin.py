from pathlib import Path
from typing import Any

import pytest
from conformance import environment, plugin, progress
from conformance.outcomes import Outcome, Result
from conformance.plugin import Recorder, RedisToo

TESTS = """
import pytest

def test_passes():
    pass

def test_fails():
    assert 1 == 2, "sums"

def test_fails_in_setup(missing):
    pass

def test_skipped():
    pytest.skip("not today")

@pytest.mark.xfail(reason="of old")
def test_expected_to_fail():
    assert False

@pytest.mark.xfail
def test_passes_unexpectedly():
    pass

def test_takes_too_long():
    pytest.fail("Timeout (>60.0s) from pytest-timeout.")

def test_after_it():
    pass
"""


@pytest.fixture
def written(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> progress.Progress:
    """What is told of a run of TESTS."""
    path = tmp_path / "progress"
    monkeypatch.setenv(environment.PROGRESS, str(path))
    monkeypatch.setenv("PYTHONPATH", str(environment.REPOSITORY), prepend=":")
    pytester.makepyfile(TESTS)
    arguments = ("-p", "conformance.plugin", "-W", "ignore")
    pytester.runpytest_subprocess(*arguments)
    return progress.read(path)


def test_how_each_test_went_is_told(written: progress.Progress) -> None:
    outcomes = {name.partition("::")[2]: each for name, each in written.finished.items()}

    assert {name: each.outcome for name, each in outcomes.items()} == {
        "test_passes": Outcome.PASSED,
        "test_fails": Outcome.FAILED,
        "test_fails_in_setup": Outcome.FAILED,
        "test_skipped": Outcome.SKIPPED,
        "test_expected_to_fail": Outcome.SKIPPED,
        "test_passes_unexpectedly": Outcome.PASSED,
        "test_takes_too_long": Outcome.TIMEOUT,
    }
    assert outcomes["test_fails"].reason.startswith("AssertionError: sums (")
    assert outcomes["test_skipped"].reason == "not today"
    assert outcomes["test_expected_to_fail"].reason == "of old"


def test_the_process_ends_after_a_timeout(written: progress.Progress) -> None:
    assert [name.partition("::")[2] for name in written.remaining] == ["test_after_it"]


def test_a_second_process_runs_what_remains(
    written: progress.Progress, pytester: pytest.Pytester
) -> None:
    result = pytester.runpytest_subprocess("-p", "conformance.plugin", "-W", "ignore")

    result.assert_outcomes(passed=1)
    assert written.remaining


def test_a_url_that_claims_to_be_redis() -> None:
    url = RedisToo("aws+dynamodb://@/celery")

    assert url.startswith("redis")
    assert url.startswith(("redis", "rpc"))
    assert url.startswith("aws+")
    assert not url.startswith("rpc")
    assert url == "aws+dynamodb://@/celery"


def test_a_file_that_cannot_be_read_says_why(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "progress"
    monkeypatch.setenv(environment.PROGRESS, str(path))
    monkeypatch.setenv("PYTHONPATH", str(environment.REPOSITORY), prepend=":")
    pytester.makepyfile("import nowhere_to_be_found")

    pytester.runpytest_subprocess("-p", "conformance.plugin", "-W", "ignore")

    assert "nowhere_to_be_found" in progress.read(path).collection_error


def test_every_app_of_the_tests_is_told() -> None:
    made = plugin.claiming_redis(lambda **config: config)

    assert made(result_backend="aws+dynamodb://")["result_backend"].startswith("redis")
    assert made(other=1) == {"other": 1}


def test_a_test_that_passes_when_tried_again_keeps_its_error(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    recorder = Recorder(path)
    for outcome in ("rerun", "passed"):
        recorder.pytest_runtest_logstart("a")
        recorder.pytest_runtest_logreport(report("a", outcome))
        recorder.pytest_runtest_logfinish("a")

    assert progress.read(path).finished["a"] == Result(
        outcome=Outcome.PASSED, seconds=1.0, runs=2, reason="too early"
    )


def test_an_attempt_without_an_error_of_its_own_is_no_error_here(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    recorder = Recorder(path)
    for outcome in ("rerun", "passed"):
        recorder.pytest_runtest_logstart("a")
        recorder.pytest_runtest_logreport(report("a", outcome, error=None))
        recorder.pytest_runtest_logfinish("a")

    assert progress.read(path).finished["a"].runs == 2
    assert progress.read(path).finished["a"].reason == ""


def report(test: str, outcome: Any, error: str | None = "too early") -> pytest.TestReport:
    """A report of half a second."""
    return pytest.TestReport(
        nodeid=test,
        location=("test_a.py", 1, test),
        keywords={},
        outcome=outcome,
        longrepr=None if outcome == "passed" else error,
        when="call",
        duration=0.5,
    )


@pytest.mark.parametrize(("part", "ran"), [("0/2", ["a", "c", "e"]), ("1/2", ["b", "d"])])
def test_a_part_of_the_tests_is_run(
    pytester: pytest.Pytester,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    ran: list[str],
) -> None:
    path = tmp_path / "progress"
    monkeypatch.setenv(environment.PROGRESS, str(path))
    monkeypatch.setenv(environment.PART, part)
    monkeypatch.setenv("PYTHONPATH", str(environment.REPOSITORY), prepend=":")
    pytester.makepyfile("".join(f"def test_{name}(): pass\n" for name in "abcde"))

    pytester.runpytest_subprocess("-p", "conformance.plugin", "-W", "ignore")

    told = progress.read(path)
    names = [name.partition("::test_")[2] for name in told.finished]
    assert names == ran
    assert list(told.finished) == told.collected


def test_every_app_of_stock_has_its_transport_options() -> None:
    made = plugin.with_transport_options(lambda **config: config, {"polling_interval": 0.1})

    assert made(a=1) == {"a": 1, "broker_transport_options": {"polling_interval": 0.1}}


@pytest.mark.parametrize(("lift", "outcomes"), [("1", {"skipped": 1}), ("", {"passed": 1})])
def test_what_is_about_redis_itself_stays_skipped(
    pytester: pytest.Pytester,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lift: str,
    outcomes: dict[str, int],
) -> None:
    monkeypatch.setenv(environment.PROGRESS, str(tmp_path / "progress"))
    monkeypatch.setenv(environment.LIFT_SKIPS, lift)
    monkeypatch.setenv("PYTHONPATH", str(environment.REPOSITORY), prepend=":")
    pytester.makepyfile("def test_asyncresult_get_cancels_subscription(): pass")

    result = pytester.runpytest_subprocess("-p", "conformance.plugin", "-W", "ignore")

    result.assert_outcomes(**outcomes)
