"""The two brokers that are compared: a local AWS, and a redis-server; both on loopback only.

Each pytest process has fresh ones, so nothing that a test leaves behind reaches another process.
"""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from celery_aws.errors import ProcessFailedError, UnsupportedError
from celery_aws.local import LocalAws

_LOOPBACK: Final = "127.0.0.1"

#: Seconds for redis-server to end.
_STOP_SECONDS: Final = 10.0

#: Nobody listens there: the tests of failures to connect and of failover.
_NO_PORT: Final = 9

Broker = Callable[[], AbstractContextManager[Mapping[str, str]]]


@contextmanager
def redis() -> Iterator[dict[str, str]]:
    """Serve Redis as broker, as result backend, and as the place where tests count."""
    with _redis_server() as port:
        url = f"redis://{_LOOPBACK}:{port}"
        yield {
            "TEST_BROKER": url,
            "TEST_BACKEND": url,
            "TEST_DEAD_BROKER": f"redis://{_LOOPBACK}:{_NO_PORT}",
            **_counting_in(port),
        }


@contextmanager
def aws() -> Iterator[dict[str, str]]:
    """Serve a local AWS as broker and result backend, and a Redis for tests to count in."""
    with _redis_server() as port, LocalAws() as server:
        variables = server.environment()
        yield {
            "TEST_BROKER": variables.pop("CELERY_BROKER_URL"),
            "TEST_BACKEND": variables.pop("CELERY_RESULT_BACKEND"),
            "TEST_DEAD_BROKER": f"aws+sqs://{_LOOPBACK}:{_NO_PORT}",
            **variables,
            **_counting_in(port),
        }


BROKERS: Final[Mapping[str, Broker]] = {"aws": aws, "redis": redis}


def redis_version() -> str:
    """Return the version of redis-server."""
    words = subprocess.run(
        [_redis_program(), "--version"], check=True, capture_output=True, text=True
    ).stdout.split()
    return next((word[2:] for word in words if word.startswith("v=")), "unknown")


def _counting_in(port: int) -> dict[str, str]:
    return {"REDIS_HOST": _LOOPBACK, "REDIS_PORT": str(port)}


def _redis_program() -> str:
    program = shutil.which("redis-server")
    if program is None:
        raise UnsupportedError("redis-server is not installed, and many of the tests count in it")
    return program


@contextmanager
def _redis_server() -> Iterator[int]:
    with tempfile.TemporaryDirectory(prefix="celery-aws-conformance-") as folder:
        port = _free_port()
        command = [_redis_program(), "--port", str(port), "--bind", _LOOPBACK]
        command += ["--save", "", "--appendonly", "no", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                _wait_until_ready(server)
                yield port
            finally:
                server.terminate()
                try:
                    server.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    server.kill()


def _wait_until_ready(server: "subprocess.Popen[str]") -> None:
    said = []
    for line in server.stdout or ():
        said.append(line)
        if "ready to accept connections" in line.lower():
            return
    raise ProcessFailedError(f"redis-server ended at once: {''.join(said).strip()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
