from pathlib import Path

import pytest
from conformance import sessions
from conformance.outcomes import Outcome, Result, Results
from conformance.running import FileRun
from conformance.suites import SuiteFile

REDIS: Results = {
    "celery/test_long.py::one": Result(outcome=Outcome.PASSED, seconds=400.0),
    "celery/test_long.py::two": Result(outcome=Outcome.PASSED, seconds=300.0),
    "celery/test_short.py::one": Result(outcome=Outcome.PASSED, seconds=2.0),
}
LONG, SHORT, NEW = (
    SuiteFile(suite="celery", name=f"test_{name}.py", root=Path())
    for name in ("long", "short", "new")
)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[FileRun]:
    """What is run; each run gives one test."""
    began: list[FileRun] = []

    def run(self: FileRun) -> Results:
        began.append(self)
        return {f"{self.file.key}::{self.part}": Result(outcome=Outcome.PASSED)}

    monkeypatch.setattr(FileRun, "run", run)
    return began


def ended(files: list[SuiteFile], expression: str = "", together: int = 2) -> list[str]:
    found = sessions.run_files(
        files, against="aws", expression=expression, together=together, redis=REDIS
    )
    return [f"{each.file.name} {len(each.results)}" for each in found]


def test_a_long_file_comes_first_and_in_parts(runs: list[FileRun]) -> None:
    assert ended([NEW, SHORT, LONG]) == ["test_long.py 2", "test_short.py 1", "test_new.py 1"]
    assert {(run.part, run.parts) for run in runs if run.file is LONG} == {(0, 2), (1, 2)}


def test_one_session_at_a_time(runs: list[FileRun]) -> None:
    assert ended([LONG], together=1) == ["test_long.py 1"]
    assert [run.parts for run in runs] == [1]


def test_what_is_picked_out_of_a_file_is_one_session(runs: list[FileRun]) -> None:
    assert ended([LONG], expression="one") == ["test_long.py 1"]
    assert [run.parts for run in runs] == [1]


def test_parts_write_to_files_of_their_own() -> None:
    logs = {FileRun(file=LONG, against="aws", part=part, parts=2).log for part in range(2)}

    assert {log.name for log in logs} == {"celery-test_long-1.log", "celery-test_long-2.log"}
