"""Real brokers to move away from, and a local AWS to move to."""

import base64
import itertools
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.servers import RabbitServer, RedisServer, rabbitmq_server, redis_server

_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class VirtualHost:
    """A RabbitMQ of a test's own: one virtual host of a server that tests share.

    Attributes:
        server: where it is.
        name: of the virtual host.
    """

    server: RabbitServer
    name: str

    @property
    def url(self) -> str:
        """Its URL for Celery."""
        return self.server.url(self.name)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis of this test, empty."""
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def rabbit_server() -> Iterator[RabbitServer]:
    """A RabbitMQ that tests share: it takes six seconds to start."""
    with rabbitmq_server() as server:
        yield server


@pytest.fixture
def rabbit(rabbit_server: RabbitServer) -> VirtualHost:
    """A virtual host of this test, empty."""
    name = f"test-{next(_numbers)}"
    credentials = base64.b64encode(b"guest:guest").decode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{rabbit_server.management_port}/api/vhosts/{name}",
        method="PUT",
        headers={"Authorization": f"Basic {credentials}"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status in (201, 204)
    return VirtualHost(server=rabbit_server, name=name)
