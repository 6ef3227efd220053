"""What a pytest process tells about itself while it runs: one JSON object a line, in a file.

Written by :mod:`conformance.plugin`. A file and not a pipe, because it must survive a process that
is killed, and the worker processes that a test leaves behind would keep a pipe open.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from conformance.outcomes import Outcome, Result


@dataclass(kw_only=True)
class Progress:
    """How far the tests of a file have come, by pytest's own names (node ids).

    Attributes:
        collected: every test, in order.
        finished: what has ended, with its result.
        running: what has started and has not ended.
        limit_seconds: how long ``running`` may take.
        collection_error: why there are no tests, if pytest could not read the file.
    """

    collected: list[str] = field(default_factory=list)
    finished: dict[str, Result] = field(default_factory=dict)
    running: str | None = None
    limit_seconds: float = 0.0
    collection_error: str = ""

    @property
    def remaining(self) -> list[str]:
        """Tests without a result."""
        return [test for test in self.collected if test not in self.finished]

    def timeouts_in_a_row(self) -> int:
        """Return how many of the tests that ended last ran into their time limit."""
        count = 0
        for result in reversed(self.finished.values()):
            if result.outcome is not Outcome.TIMEOUT:
                break
            count += 1
        return count


def collected(tests: Iterable[str]) -> dict[str, object]:
    """Return the event that says which tests there are."""
    return {"event": "collected", "tests": list(tests)}


def started(test: str, limit_seconds: float) -> dict[str, object]:
    """Return the event of an attempt that starts."""
    return {"event": "started", "test": test, "limit_seconds": limit_seconds}


def finished(test: str, result: Result) -> dict[str, object]:
    """Return the event of a test that has ended."""
    return {
        "event": "finished",
        "test": test,
        "outcome": result.outcome.value,
        "seconds": result.seconds,
        "runs": result.runs,
        "reason": result.reason,
    }


def not_collected(reason: str) -> dict[str, object]:
    """Return the event of a file that pytest cannot read."""
    return {"event": "not collected", "reason": reason}


def append(path: Path, event: dict[str, object]) -> None:
    """Add an event to the file."""
    with path.open("a") as file:
        file.write(json.dumps(event) + "\n")


def read(path: Path) -> Progress:
    """Read the file of a run; a line that was cut off by a kill is left out."""
    return parse(path.read_text().splitlines() if path.exists() else [])


def parse(lines: Iterable[str]) -> Progress:
    """Return what these lines tell."""
    progress = Progress()
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        _apply(progress, event)
    return progress


def _apply(progress: Progress, event: dict[str, object]) -> None:
    match event:
        case {"event": "collected", "tests": list(tests)}:
            progress.collected += [test for test in tests if test not in progress.collected]
        case {"event": "started", "test": str(test), "limit_seconds": int() | float() as limit}:
            progress.running, progress.limit_seconds = test, limit
        case {"event": "finished", "test": str(test)}:
            progress.running = None
            progress.finished[test] = _result(event)
        case {"event": "not collected", "reason": str(reason)}:
            progress.collection_error = reason


def _result(event: dict[str, object]) -> Result:
    seconds, runs = event["seconds"], event["runs"]
    if not isinstance(seconds, int | float) or not isinstance(runs, int):
        raise TypeError(f"not the end of a test: {event}")
    return Result(
        outcome=Outcome(event["outcome"]),
        seconds=seconds,
        runs=runs,
        reason=str(event["reason"]),
    )
