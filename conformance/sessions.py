"""Runs several sessions of tests side by side: most of their time is spent waiting for workers.

Each has a broker, a Redis and a worker of its own, so none sees another's.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from conformance.outcomes import Results, file_of
from conformance.running import FileRun
from conformance.suites import SuiteFile

#: A file that took longer on Redis is run in as many parts as there are sessions.
LONG_FILE_SECONDS: Final = 600.0


@dataclass(frozen=True, kw_only=True)
class FileResults:
    """What the tests of one file gave, and how long they took."""

    file: SuiteFile
    results: Results
    seconds: float


def run_files(
    files: Iterable[SuiteFile], *, against: str, expression: str, together: int, redis: Results
) -> Iterator[FileResults]:
    """Run files and yield what each gave, the longest first.

    Args:
        files: to run.
        against: name of the broker.
        expression: pytest's ``-k``; with one, a file is one session.
        together: how many sessions may run at a time.
        redis: the record of Redis: how long each file takes.
    """
    lengths = seconds_by_file(redis)
    ordered = sorted(files, key=lambda file: -lengths.get(file.key, 0.0))
    with ThreadPoolExecutor(together) as threads:
        under_way = []
        for file in ordered:
            is_long = lengths.get(file.key, 0.0) > LONG_FILE_SECONDS and not expression
            parts = together if is_long else 1
            runs = [
                FileRun(file=file, against=against, expression=expression, part=part, parts=parts)
                for part in range(parts)
            ]
            under_way.append((file, [threads.submit(_timed, run) for run in runs]))
        for file, sessions in under_way:
            ended = [session.result() for session in sessions]
            yield FileResults(
                file=file,
                results={test: each for results, _ in ended for test, each in results.items()},
                seconds=max(seconds for _, seconds in ended),
            )


def seconds_by_file(record: Results) -> Mapping[str, float]:
    """Return how long the tests of each ``SUITE/FILE`` took."""
    seconds: dict[str, float] = {}
    for test, result in record.items():
        seconds[file_of(test)] = seconds.get(file_of(test), 0.0) + result.seconds
    return seconds


def _timed(run: FileRun) -> tuple[Results, float]:
    began = time.monotonic()
    return run.run(), time.monotonic() - began
