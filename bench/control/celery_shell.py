"""The ``celery`` program run again and again in one process: importing Celery takes a second.

``python -m bench.control.celery_shell`` reads command lines, a JSON object a line, and writes what
each has said and its exit code.
"""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from celery.bin.celery import celery


class CeleryShell:
    """A process that runs commands one after the other.

    Args:
        environment: of the process.
        directory: to run it in.
    """

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.control.celery_shell"],
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()

    def run(self, arguments: Sequence[str], typed: str) -> tuple[int, str]:
        """Run a command; return its exit code and what it has said."""
        asked, told = self._process.stdin, self._process.stdout
        assert asked is not None
        assert told is not None
        with self._lock:
            asked.write(json.dumps([arguments, typed]) + "\n")
            asked.flush()
            code, said = json.loads(told.readline())
        return code, said

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> None:
    """Run what comes until nothing does."""
    lines, answers = sys.stdin, sys.stdout
    for line in iter(lines.readline, ""):
        arguments, typed = json.loads(line)
        sys.stdin = io.StringIO(typed)
        with redirect_stdout(io.StringIO()) as said:
            code = _run(arguments)
        print(json.dumps([code, said.getvalue()]), file=answers, flush=True)


def _run(arguments: Sequence[str]) -> int:
    try:
        celery.main(list(arguments), prog_name="celery")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    main()
