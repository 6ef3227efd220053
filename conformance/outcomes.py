"""How each test went, and the files that remember it.

A test's name is ``SUITE/FILE::NAME``, such as ``celery/test_tasks.py::test_tasks::test_fail[2]``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Outcome(str, Enum):
    """What became of a test."""

    PASSED = "passed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    SKIPPED = "skipped"
    #: Its file was given up before its turn came.
    NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One test on one broker.

    Attributes:
        outcome: of the last attempt.
        seconds: of all attempts, setup and teardown included.
        runs: attempts; more than one only where Celery marks the test as flaky.
        reason: the error, also that of an earlier attempt, or why it was skipped.
    """

    outcome: Outcome
    seconds: float = 0.0
    runs: int = 1
    reason: str = ""

    @property
    def passed(self) -> bool:
        """True when it passed in the end."""
        return self.outcome is Outcome.PASSED


Results = dict[str, Result]


@dataclass(frozen=True, kw_only=True)
class Record:
    """The results of one broker, with the versions that they were got with."""

    versions: Mapping[str, str]
    results: Results

    def with_file(self, file: str, results: Results) -> "Record":
        """Return a record in which ``file`` (``SUITE/FILE``) has these results and no others."""
        kept = {name: each for name, each in self.results.items() if file_of(name) != file}
        return Record(versions=self.versions, results=kept | results)


def file_of(test: str) -> str:
    """Return the ``SUITE/FILE`` of a test's name."""
    return test.partition("::")[0]


def load(path: Path) -> Record:
    """Read a record; one that does not exist is empty."""
    if not path.exists():
        return Record(versions={}, results={})
    stored = json.loads(path.read_text())
    results = {
        name: Result(
            outcome=Outcome(each["outcome"]),
            seconds=each["seconds"],
            runs=each.get("runs", 1),
            reason=each.get("reason", ""),
        )
        for name, each in stored["tests"].items()
    }
    return Record(versions=stored["versions"], results=results)


def save(path: Path, record: Record) -> None:
    """Write a record, one line a test, so that what has changed can be read in a diff."""
    tests = ",\n".join(
        f"    {json.dumps(name)}: {json.dumps(_stored(record.results[name]))}"
        for name in sorted(record.results)
    )
    versions = json.dumps(dict(sorted(record.versions.items())))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{\n  "versions": {versions},\n  "tests": {{\n{tests}\n  }}\n}}\n')


def _stored(result: Result) -> dict[str, object]:
    stored: dict[str, object] = {
        "outcome": result.outcome.value,
        "seconds": round(result.seconds, 1),
    }
    if result.runs > 1:
        stored["runs"] = result.runs
    if result.reason:
        stored["reason"] = result.reason
    return stored
