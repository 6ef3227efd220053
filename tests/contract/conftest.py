"""The services that must behave alike: the in-memory double, and boto3 on the local AWS."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from celery_aws.aws.clients import Access
from celery_aws.aws.sqs import QueueService, SqsQueueService
from celery_aws.config.credentials import Credentials
from celery_aws.names import QueueName
from celery_aws.testing.memory_sqs import MemorySqs

READY_SECONDS = 30


@dataclass(frozen=True)
class LocalAws:
    endpoint_url: str


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    port = _free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "ministack"],
        env={**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        endpoint_url = f"http://127.0.0.1:{port}"
        _wait_until_ready(server, endpoint_url)
        yield LocalAws(endpoint_url)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGTERM)
        server.wait(READY_SECONDS)


@pytest.fixture(params=["memory", "local AWS"])
def queue_service(request: pytest.FixtureRequest) -> QueueService:
    if request.param == "memory":
        return MemorySqs()
    difference = request.node.get_closest_marker("aws_only")
    if difference is not None:
        pytest.skip(f"the local AWS differs from AWS: {difference.args[0]}")
    local_aws: LocalAws = request.getfixturevalue("local_aws")
    return SqsQueueService(
        Access(
            region="us-east-1",
            endpoint_url=local_aws.endpoint_url,
            credentials=Credentials(access_key_id="test", secret_access_key="test"),
        )
    )


@pytest.fixture
def name() -> QueueName:
    return QueueName(f"contract-{uuid.uuid4().hex[:12]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(server: "subprocess.Popen[bytes]", endpoint_url: str) -> None:
    """Ask until it answers; a refused connection costs no time, so the retries are spaced."""
    ended = False
    for _ in range(READY_SECONDS * 5):
        try:
            with urllib.request.urlopen(f"{endpoint_url}/_ministack/health", timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(0.2)
                ended = True
        if ended:
            break
    raise RuntimeError(f"ministack does not answer at {endpoint_url}")
