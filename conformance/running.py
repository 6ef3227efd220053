"""Runs the tests of one file, in as many pytest processes as that takes.

A process ends after a test that ran into its limit, because its worker may be stuck; another one
goes on with the rest. A process in which nothing happens for too long is killed, with all that it
has started.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from conformance import environment, limits, progress
from conformance.brokers import BROKERS
from conformance.outcomes import Outcome, Result, Results
from conformance.progress import Progress
from conformance.suites import SuiteFile
from conformance.watching import kill_group, watch

_PLUGINS: Final = (
    "celery.contrib.pytest",
    "pytest_timeout",
    "pytest_rerunfailures",
    "conformance.plugin",
)

#: The test of a file that cannot be read.
COLLECTION: Final = "(collection)"


@dataclass(frozen=True, kw_only=True)
class FileRun:
    """The tests of one file on one broker, or a part of them.

    Attributes:
        file: that has them.
        against: name of the broker.
        expression: pytest's ``-k``.
        part: which part; the first is 0.
        parts: how many parts there are.
    """

    file: SuiteFile
    against: str
    expression: str = ""
    part: int = 0
    parts: int = 1

    @property
    def log(self) -> Path:
        """Where pytest's output goes."""
        return self._written.with_name(f"{self._written.name}.log")

    @property
    def _written(self) -> Path:
        name = f"{self.file.suite}-{Path(self.file.name).stem}"
        part = f"-{self.part + 1}" if self.parts > 1 else ""
        return environment.SCRATCH / self.against / f"{name}{part}"

    @property
    def _progress(self) -> Path:
        return self._written.with_name(f"{self._written.name}.progress")

    def run(self) -> Results:
        """Run them and return how each went, by its name in records."""
        self._written.parent.mkdir(parents=True, exist_ok=True)
        self._progress.unlink(missing_ok=True)
        with self.log.open("w") as log:
            while self._run_once(log):
                pass
        told = with_the_rest(progress.read(self._progress))
        return {self.file.test_key(test): result for test, result in told.items()}

    def _run_once(self, log: IO[str]) -> bool:
        before = len(progress.read(self._progress).finished)
        with BROKERS[self.against]() as broker:
            variables = environment.of_tests(
                os.environ,
                broker,
                progress=self._progress,
                part=f"{self.part}/{self.parts}",
                lift_skips=self.against != "redis" and self.file.lifts_skips,
            )
            process = subprocess.Popen(
                self._command(),
                cwd=self.file.root,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                ended = watch(process, self._progress)
            finally:
                kill_group(process)
        self._blame(ended, process.returncode)
        after = progress.read(self._progress)
        return goes_on(after, progressed=len(after.finished) > before)

    def _command(self) -> Sequence[str]:
        command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", "."]
        command += ["-o", "python_classes=test_*", "-ra", "--tb=short", "-p", "no:cacheprovider"]
        for plugin in _PLUGINS:
            command += ["-p", plugin]
        if self.expression:
            command += ["-k", self.expression]
        return [*command, self.file.path]

    def _blame(self, ended: bool, code: int) -> None:
        """Give the test that a process did not survive its result."""
        told = progress.read(self._progress)
        if told.running is None:
            return
        if ended:
            result = Result(outcome=Outcome.FAILED, reason=f"the process ended with {code}")
        else:
            reason = f"nothing happened for {told.limit_seconds + limits.GRACE_SECONDS:.0f} s"
            result = Result(
                outcome=Outcome.TIMEOUT, seconds=told.limit_seconds, reason=f"{reason}: killed"
            )
        progress.append(self._progress, progress.finished(told.running, result))


def goes_on(told: Progress, *, progressed: bool) -> bool:
    """Return whether another process has to run the rest.

    Args:
        told: everything so far.
        progressed: the last process has finished a test.
    """
    return (
        bool(told.remaining) and progressed and told.timeouts_in_a_row() < limits.TIMEOUTS_IN_A_ROW
    )


def with_the_rest(told: Progress) -> dict[str, Result]:
    """Return the results, those of tests that never ran included."""
    results = dict(told.finished)
    for test in told.remaining:
        results[test] = Result(outcome=Outcome.NOT_RUN, reason="its file was given up")
    if told.collection_error:
        failed = Result(outcome=Outcome.FAILED, reason=told.collection_error)
        results[f"::{COLLECTION}"] = failed
    return results
