"""SQS and DynamoDB for benchmarks, in a process of its own on loopback.

ministack takes 500 to 2,400 requests a second: with it, a benchmark measures ministack. This takes
as much as :mod:`bench.cloud.capacity` says, knows only what the benchmarks ask for, adds a given
latency to each answer, and counts. It keeps nothing, checks no signature and hardly a parameter:
whether something is right is for the tests to say, on ministack.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bench.cloud.usage import CloudUsage
from celery_aws.local.environment import LOOPBACK, client_environment, server_environment
from celery_aws.local.output import ProcessOutput, spawn

if TYPE_CHECKING:
    from typing_extensions import Self

_ROOT = Path(__file__).parent.parent.parent
_REGION = "us-east-1"
_PATIENCE_SECONDS = 30.0
_BACKLOG = 512


class Cloud:
    """A context manager: the cloud runs while the block does, and ends with this process.

    Args:
        latency_ms: added to each of AWS's answers.
    """

    def __init__(self, *, latency_ms: float = 0.0) -> None:
        self._latency_ms = latency_ms
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self._output: ProcessOutput | None = None

    @property
    def endpoint_url(self) -> str:
        """For boto3, of either service."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def port(self) -> int:
        """On loopback."""
        return self._port

    def environment(self, *, table: str = "celery") -> dict[str, str]:
        """Return the variables that make boto3 and Celery use this cloud.

        Args:
            table: name of the results table in ``CELERY_RESULT_BACKEND``.
        """
        return client_environment(os.environ, port=self._port, region=_REGION, table=table)

    def usage(self) -> CloudUsage:
        """Return all that was asked so far, and the CPU time that it took."""
        found = self._ask("GET", "usage")
        return CloudUsage(
            requests={(operation, name): n for operation, name, n, _ in found["rows"]},
            units={(operation, name): units for operation, name, _, units in found["rows"]},
            cpu_seconds=found["cpu_seconds"],
            seconds=found["seconds"],
        )

    def counts(self) -> dict[str, int]:
        """Return the requests so far by operation, such as ``{"sqs.SendMessage": 3}``."""
        return dict(self.usage().by_operation())

    def cpu_seconds(self) -> float:
        """Return the CPU time of the cloud's process so far."""
        return self.usage().cpu_seconds

    def set_latency(self, milliseconds: float) -> None:
        """Add so much to each answer from now on."""
        self._ask("POST", f"latency?ms={milliseconds:g}")

    def __enter__(self) -> "Self":
        with socket.create_server((LOOPBACK, 0), backlog=_BACKLOG) as listener:
            self._port = listener.getsockname()[1]
            command = [sys.executable, "-m", "bench.cloud.serve"]
            command += ["--socket", str(listener.fileno()), "--parent", str(os.getpid())]
            command += ["--latency", f"{self._latency_ms:g}"]
            variables = server_environment(os.environ, port=self._port, region=_REGION)
            self._process, self._output = spawn(
                "bench-cloud",
                command,
                variables,
                directory=_ROOT,
                descriptors=[listener.fileno()],
            )
        try:
            self.usage()
        except OSError as error:
            self._stop()
            raise RuntimeError(f"the cloud did not start: {self._output.tail()}") from error
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._output is not None:
            self._output.stop(_PATIENCE_SECONDS)

    def _ask(self, method: str, what: str) -> Any:
        # Not urllib: it would go through the proxy of the environment.
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=_PATIENCE_SECONDS)
        try:
            connection.request(method, f"/_cloud/{what}")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
