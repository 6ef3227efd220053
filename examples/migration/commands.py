"""The operator's shell: ``celery aws ...`` on the shop's app, shown with what it answers."""

import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from celery_aws.local.output import spawn
from examples.migration import screen
from examples.migration.fleet import APP, ROOT, STAGES, Fleet

_PATIENCE_SECONDS = 180.0

#: Of the old side; the shop's own configuration as it was says where that is.
OLD = ("--from-config", f"{STAGES}.before")


class CommandFailedError(Exception):
    """A command has ended with another exit code than it should."""


class Shell:
    """Runs commands with the settings of the new side, in a folder where the journal will be.

    Args:
        fleet: whose they are.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def migrate(self, *words: str, codes: Collection[int] = (0,)) -> str:
        """Run a command of ``celery aws migrate`` and return its standard output."""
        return self.run(*self._migrate(words), codes=codes)

    def ended_with(self, code: int, *words: str) -> bool:
        """Run a command of ``celery aws migrate``; tell whether its exit code is this."""
        try:
            self.migrate(*words, codes=(code,))
        except CommandFailedError:
            return False
        return True

    def run(self, *words: str, stage: str = "after", codes: Collection[int] = (0,)) -> str:
        """Run ``celery -A the-app ...`` and return its standard output.

        Raises:
            CommandFailedError: its exit code is none of ``codes``.
        """
        screen.command(("celery", "-A", "shop", *words))
        ended = subprocess.run(
            _command(words),
            cwd=self._fleet.scratch,
            env=self._variables(stage),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
        screen.said((ended.stdout + ended.stderr).splitlines())
        if ended.returncode not in codes:
            raise CommandFailedError(f"{' '.join(words)} ended with {ended.returncode}")
        return ended.stdout

    def follow(self, *words: str) -> "Following":
        """Begin a command of ``celery aws migrate`` that runs until it is stopped."""
        whole = self._migrate(words)
        screen.command(("celery", "-A", "shop", *whole, "&"))
        return Following(_command(whole), self._variables("after"), self._fleet.scratch)

    def _variables(self, stage: str) -> dict[str, str]:
        return {**os.environ, **self._fleet.variables(stage), "PYTHONPATH": _python_path()}

    def _migrate(self, words: Sequence[str]) -> list[str]:
        return ["aws", "migrate", *words, *OLD]


class Following:
    """A command that runs beside what follows."""

    def __init__(self, command: Sequence[str], variables: dict[str, str], folder: Path) -> None:
        self._process, self._output = spawn("follow", command, variables, directory=folder)

    @property
    def running(self) -> bool:
        """True while it does."""
        return self._process.poll() is None

    def stop(self, codes: Collection[int] = (0,)) -> None:
        """Stop it as Ctrl-C does, and show what it has said.

        Raises:
            CommandFailedError: its exit code is none of ``codes``.
        """
        self._process.terminate()
        code = self._process.wait(_PATIENCE_SECONDS)
        self._output.stop(_PATIENCE_SECONDS)
        screen.said(self._output.text.splitlines())
        if code not in codes:
            raise CommandFailedError(f"it ended with {code}")

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


def _python_path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def _command(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "celery", "-A", APP, *words]
