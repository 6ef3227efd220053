"""Flower in a process of its own, as a user starts it."""

import json
import os
import re
import signal
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from celery_aws.local.output import spawn
from tests.integration.workers.conftest import HERE, PATIENCE_SECONDS, Project

#: The last of its banner, which ends with the tasks.
LAST_TASK = "proj.work"


class FlowerProcess:
    """``celery -A proj aws flower`` on a free port of 127.0.0.1."""

    def __init__(
        self,
        project: Project,
        *arguments: str,
        words: Sequence[str] = ("aws", "flower"),
        environment: Mapping[str, str] | None = None,
        directory: Path = HERE,
    ) -> None:
        """Start it, without waiting.

        Args:
            project: whose app it is for.
            arguments: options of Flower.
            words: of the command that runs it.
            environment: more variables.
            directory: to run in.
        """
        environment = {
            **project.environment(),
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
            **(environment or {}),
        }
        command = [sys.executable, "-m", "celery", "-A", project.app, *words, "--port=0"]
        self._process, self._output = spawn(
            "flower",
            [*command, "--address=127.0.0.1", *arguments],
            environment,
            directory=directory,
        )

    @property
    def log(self) -> str:
        """Everything that it has written so far."""
        return self._output.text

    def banner(self) -> str:
        """Wait until it serves, and return what it then says, without times and its port."""
        assert self._output.wait_for(LAST_TASK, PATIENCE_SECONDS), self.log
        lines = [re.sub(r"^\[.*?\] ", "", line) for line in self.log.splitlines()]
        first = next(number for number, line in enumerate(lines) if line.startswith("Visit me"))
        last = next(number for number, line in enumerate(lines) if LAST_TASK in line)
        return "\n".join(lines[first : last + 1]).replace(str(self.port), "PORT")

    @property
    def port(self) -> int:
        """Where it serves."""
        assert self._output.wait_for("Visit me at", PATIENCE_SECONDS), self.log
        found = re.search(r"Visit me at https?://127\.0\.0\.1:(\d+)", self.log)
        assert found is not None
        return int(found[1])

    def get(self, path: str, *, user: str | None = None) -> tuple[HTTPResponse, str]:
        """Return an answer and its body."""
        headers = {} if user is None else {"Authorization": _basic(user)}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

    def json(self, path: str, *, user: str | None = None) -> Any:
        """Return what the API tells."""
        answer, body = self.get(path, user=user)
        assert answer.status == 200, body
        return json.loads(body)

    def stop(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self._process.send_signal(number)
        return self._process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """End it with all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._output.stop(PATIENCE_SECONDS)


def _basic(user: str) -> str:
    return f"Basic {b64encode(user.encode()).decode()}"
