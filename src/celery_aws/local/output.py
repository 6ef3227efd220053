"""What a child process writes, read while it runs, so that others can wait for a line of it.

A pipe that nobody reads fills up and stops the process that writes into it; a file would have
to be looked at again and again. So a thread reads, and wakes whoever waits.
"""

import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO, cast

from celery_aws.background import BackgroundThread

#: Lines shown in an error: enough for a traceback.
TAIL_LINES = 40


class ProcessOutput(BackgroundThread):
    """Reads a child's output to its end; the lines stay in memory."""

    def __init__(self, name: str, stream: IO[str]) -> None:
        super().__init__(f"celery-aws-output-{name}")
        self._stream = stream
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()

    @property
    def text(self) -> str:
        """Everything that was written so far."""
        with self._changed:
            return "".join(self._lines)

    @property
    def ended(self) -> bool:
        """True when every process that could write has ended."""
        with self._changed:
            return self._ended

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Return the last ``lines`` lines."""
        with self._changed:
            return "".join(self._lines[-lines:]).rstrip()

    def wait_for(self, pattern: str, timeout_seconds: float) -> bool:
        """Wait until a line matches.

        Args:
            pattern: a regular expression, searched for in each line, earlier lines included.
            timeout_seconds: how long to wait at most.

        Returns:
            True when a line matches; False when the time is up, or the output has ended.
        """
        wanted = re.compile(pattern)
        seen = 0

        def decided() -> bool:
            nonlocal seen
            fresh, seen = self._lines[seen:], len(self._lines)
            found.extend(line for line in fresh if wanted.search(line))
            return bool(found) or self._ended

        found: list[str] = []
        with self._changed:
            self._changed.wait_for(decided, timeout_seconds)
        return bool(found)

    def run(self) -> None:
        """Read until the last process that writes has ended."""
        try:
            with self._stream as stream:
                for line in stream:
                    with self._changed:
                        self._lines.append(line)
                        self._changed.notify_all()
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()


def spawn(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    directory: str | os.PathLike[str] | None = None,
    descriptors: Sequence[int] = (),
) -> tuple["subprocess.Popen[str]", ProcessOutput]:
    """Start a process whose output is read, in a session and process group of its own.

    Args:
        name: what it is, for the name of the reading thread.
        command: the program and its arguments; no shell.
        environment: the whole environment of the process.
        directory: to run in; None is the current one.
        descriptors: open files that it inherits.

    A Ctrl-C in the terminal does not reach it: that is for the caller, who ends it.
    """
    process = subprocess.Popen(  # noqa: S603
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=descriptors,
        start_new_session=True,
    )
    output = ProcessOutput(name, cast("IO[str]", process.stdout))
    output.start()
    return process, output
