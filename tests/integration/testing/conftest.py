"""A queue of the local AWS through the fault proxy and past it, and a raw connection to it."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from celery_aws.testing import FaultProxy
from celery_aws.testing.fixtures import AwsEnvironment

#: Seconds within which what does not depend on time happens.
PATIENCE_SECONDS = 10.0

HEALTH = b"GET /_ministack/health HTTP/1.1\r\nHost: x\r\n\r\n"


def client(service: str, endpoint_url: str, *, read_timeout_seconds: float = 10.0) -> Any:
    """Return a client that tries once, so that it shows every fault."""
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        config=Config(
            connect_timeout=5,
            read_timeout=read_timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": 1},
        ),
    )


def exchange(opened: socket.socket, data: bytes = HEALTH) -> bytes:
    opened.sendall(data)
    return opened.recv(65_536)


def wait_for_request(proxy: FaultProxy, operation: str) -> None:
    assert proxy.requests.wait_for(operation, timeout_seconds=PATIENCE_SECONDS)


@pytest.fixture
def sqs(aws_environment: AwsEnvironment, fault_proxy: FaultProxy) -> Any:
    return client("sqs", fault_proxy.endpoint_url)


@pytest.fixture
def url(aws_environment: AwsEnvironment) -> str:
    """A queue, made past the proxy."""
    direct = client("sqs", aws_environment.endpoint_url)
    return str(direct.create_queue(QueueName=f"{aws_environment.queue_name_prefix}q")["QueueUrl"])


@pytest.fixture
def messages(aws_environment: AwsEnvironment, url: str) -> Callable[[], int]:
    """Counts the queue's messages, past the proxy."""
    direct, name = client("sqs", aws_environment.endpoint_url), "ApproximateNumberOfMessages"

    def count() -> int:
        answer = direct.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(answer["Attributes"][name])

    return count


@pytest.fixture
def connection(fault_proxy: FaultProxy) -> Iterator[socket.socket]:
    """A connection that has been used and is open."""
    with socket.create_connection(("127.0.0.1", fault_proxy.port), PATIENCE_SECONDS) as opened:
        assert exchange(opened).startswith(b"HTTP/1.1 200 ")
        yield opened
