"""The project of the tests with workers, for tests of metrics."""

import socket

import pytest

from tests.integration.workers.conftest import project as project  # noqa: PLC0414


@pytest.fixture
def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
