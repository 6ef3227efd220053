"""The brokers that are compared, all on loopback only.

This package on a local AWS, what Celery and kombu bring for AWS on another, and a redis-server.
Each pytest process has fresh ones, so nothing that a test leaves behind reaches another process.
"""

import json
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from typing import Final

from celery import Celery

from celery_aws.errors import ProcessFailedError, UnsupportedError
from celery_aws.local import LocalAws
from conformance.environment import TRANSPORT_OPTIONS

_LOOPBACK: Final = "127.0.0.1"

#: Seconds for redis-server to end.
_STOP_SECONDS: Final = 10.0

#: Nobody listens there: the tests of failures to connect and of failover.
_NO_PORT: Final = 9

#: Without them stock looks for tasks every ten seconds, and latency alone fails tests.
_STOCK_OPTIONS: Final = {"wait_time_seconds": 1, "polling_interval": 0.1}

#: What a local AWS takes.
_STOCK_CREDENTIALS: Final = "test:test"

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


@contextmanager
def stock() -> Iterator[dict[str, str]]:
    """Serve a local AWS for Celery's own ``dynamodb://`` and kombu's ``sqs://``, and a Redis."""
    with _redis_server() as port, LocalAws() as server:
        ours = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")
        variables = {n: v for n, v in server.environment().items() if n not in ours}
        table = f"{_LOOPBACK}:{server.port}/celery"
        # It makes its table here and now. Without, the processes of a pool race to make it.
        _ = Celery(backend=f"dynamodb://{_STOCK_CREDENTIALS}@{table}").backend
        yield {
            **variables,
            "TEST_BROKER": f"sqs://{_STOCK_CREDENTIALS}@{_LOOPBACK}:{server.port}",
            # No credentials: with them all processes of a pool would share one connection.
            "TEST_BACKEND": f"dynamodb://@{table}",
            "TEST_DEAD_BROKER": f"sqs://{_STOCK_CREDENTIALS}@{_LOOPBACK}:{_NO_PORT}",
            TRANSPORT_OPTIONS: json.dumps(_STOCK_OPTIONS),
            **_counting_in(port),
        }


BROKERS: Final[Mapping[str, Broker]] = {"aws": aws, "redis": redis, "stock": stock}


def versions(against: str) -> dict[str, str]:
    """Return the versions of what only this broker needs."""
    if against == "redis":
        return {"redis": _redis_version()}
    return {name: version(name) for name in ("boto3", "ministack")}


def _redis_version() -> str:
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
