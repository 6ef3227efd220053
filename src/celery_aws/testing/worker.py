"""A real Celery worker in a process of its own, for tests that must not take our word for it.

It waits for what the worker logs, never for a time; whatever happens, nothing of it is left
running. Facts: celery/apps/worker.py (``ready.`` is the last line of a start; SIGTERM is a
warm shutdown, SIGQUIT a cold one).
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from celery_aws.errors import ProcessFailedError
from celery_aws.local.output import ProcessOutput, spawn

if TYPE_CHECKING:
    from typing_extensions import Self

#: What a worker logs when it consumes.
_READY: Final = r" ready\.$"

_LAST_WORDS_SECONDS: Final = 5.0


class WorkerProcess:
    """``celery worker`` as a subprocess, in a process group of its own; a context manager."""

    def __init__(
        self,
        app: str,
        *,
        pool: str = "prefork",
        concurrency: int = 2,
        queues: Sequence[str] = (),
        name: str | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        log_level: str = "INFO",
        python: str | os.PathLike[str] = sys.executable,
        start_timeout_seconds: float = 30.0,
        stop_timeout_seconds: float = 30.0,
    ) -> None:
        """Take the settings; nothing is started.

        Args:
            app: what ``celery -A`` takes, such as ``proj.celery:app``.
            pool: prefork, threads, solo, gevent or eventlet.
            concurrency: processes, threads or greenlets.
            queues: to consume; none means the app's default.
            name: node name, such as ``one@%h``; give one where several workers run.
            arguments: more of ``celery worker``.
            environment: variables added to this process' own.
            directory: to run in; the app is found from there.
            log_level: INFO or DEBUG: with less, it cannot be seen when the worker is ready.
            python: the interpreter, of another virtual environment for example.
            start_timeout_seconds: until it has to be ready.
            stop_timeout_seconds: until it has to have ended.
        """
        self._command = [str(python), "-m", "celery", "-A", app, "worker", "--pool", pool]
        self._command += ["--concurrency", str(concurrency), "--loglevel", log_level]
        self._command += ["--queues", ",".join(queues)] if queues else []
        self._command += ["--hostname", name] if name else []
        self._command += arguments
        self._environment = {**os.environ, **(environment or {})}
        self._directory = directory
        self._start_timeout_seconds = start_timeout_seconds
        self._stop_timeout_seconds = stop_timeout_seconds
        self._process: subprocess.Popen[str] | None = None
        self._killed = False
        self._output: ProcessOutput | None = None

    @property
    def pid(self) -> int:
        """Pid of the worker's main process.

        Raises:
            ProcessFailedError: it was not started.
        """
        return self._started()[0].pid

    @property
    def running(self) -> bool:
        """True while the main process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything that it has written so far, log and prints."""
        return "" if self._output is None else self._output.text

    def children(self) -> list[int]:
        """Return the pids of the pool's processes, those of prefork (Linux only)."""
        tasks = Path(f"/proc/{self.pid}/task")
        found = (path.read_text().split() for path in tasks.glob("*/children"))
        return sorted(int(pid) for pids in found for pid in pids)

    def start(self) -> None:
        """Start the worker and wait until it consumes.

        Raises:
            ProcessFailedError: it ended instead, or was not ready in time; with its last lines.
        """
        if not self.running:
            self.launch()
            self.wait_until_ready()

    def launch(self) -> None:
        """Start the worker and wait for nothing: for what it does before it consumes."""
        self._killed = False
        self._process, self._output = spawn(
            "worker", self._command, self._environment, directory=self._directory
        )

    def wait_until_ready(self) -> None:
        """Wait until the worker consumes.

        Raises:
            ProcessFailedError: it ended instead, or was not ready in time; with its last lines.
        """
        _, output = self._started()
        if not output.wait_for(_READY, self._start_timeout_seconds):
            ended = output.ended
            self.kill()
            how = "ended" if ended else f"was not ready within {self._start_timeout_seconds:g} s"
            raise self._failed(f"the worker {how}")

    def wait_for_log(self, pattern: str, timeout_seconds: float = 30.0) -> None:
        """Wait until a line of the log matches.

        Args:
            pattern: a regular expression; lines already written count.
            timeout_seconds: how long to wait at most.

        Raises:
            ProcessFailedError: no line matched in time, or the worker has ended before.
        """
        _, output = self._started()
        if not output.wait_for(pattern, timeout_seconds):
            when = "before it ended" if output.ended else f"within {timeout_seconds:g} s"
            raise self._failed(f"the worker did not log {pattern!r} {when}")

    def send_signal(self, number: int) -> None:
        """Send a signal to the main process, if it lives."""
        self._started()[0].send_signal(number)

    def wait(self) -> int:
        """Wait until the worker has ended.

        Returns:
            Its exit code, negative for a signal.

        Raises:
            ProcessFailedError: it did not end in time; then it was killed.
        """
        process, _ = self._started()
        try:
            code = process.wait(self._stop_timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._failed(
                f"the worker did not end within {self._stop_timeout_seconds:g} s; killed"
            ) from None
        self.kill()
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the worker by a signal and wait; SIGTERM lets running tasks finish.

        Returns:
            Its exit code, negative for a signal; idempotent.

        Raises:
            ProcessFailedError: it did not end in time; then it was killed.
        """
        if self.running:
            self.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """End everything that the worker has started, at once (SIGKILL), and wait."""
        if self._process is None or self._killed:
            return
        # The group outlives its leader while a child of the pool does. Where nobody is left,
        # Linux finds no such process and macOS refuses.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._output is not None:
            self._output.stop(_LAST_WORDS_SECONDS)
        # Its number may be somebody else's by the next time.
        self._killed = True

    def __enter__(self) -> "Self":
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_value is not None:
            self.kill()
            return
        self.stop()

    def _started(self) -> tuple["subprocess.Popen[str]", ProcessOutput]:
        if self._process is None or self._output is None:
            raise ProcessFailedError("the worker was not started: call start() first")
        return self._process, self._output

    def _failed(self, problem: str) -> ProcessFailedError:
        return ProcessFailedError(
            problem, output="" if self._output is None else self._output.tail()
        )
