import threading
from collections.abc import Iterator
from typing import Any

import pytest
from amqp.exceptions import AccessRefused, NotAllowed, RecoverableConnectionError
from kombu.exceptions import OperationalError

from celery_aws.errors import BrokerLostError, ConfigurationError
from celery_aws.migrate.amqp.line import Line, LineLostError, line_of
from celery_aws.migrate.old_app import old_app


class Connection:
    """kombu's connection, as far as a line knows it."""

    def __init__(self, error: Exception | None = None, heartbeat: float = 0) -> None:
        self.transport_options = {"confirm_publish": True, "client_properties": {"mine": 1}}
        self.connection = self
        self.is_open = True
        self.auto_decode = True
        self.beats = threading.Semaphore(0)
        self._error = error
        self._heartbeat = heartbeat

    def as_uri(self) -> str:
        return "amqp://user:secret@host//"

    def ensure_connection(self, **_: Any) -> None:
        if self._error is not None:
            raise self._error

    def channel(self) -> "Connection":
        return self

    def get_heartbeat_interval(self) -> float:
        return self._heartbeat

    def send_heartbeat(self) -> None:
        self.beats.release()
        raise OSError("lost")

    def release(self) -> None:
        self.is_open = False


@pytest.fixture
def connection() -> Connection:
    return Connection(heartbeat=0.03)


@pytest.fixture
def line(connection: Connection) -> Iterator[Line]:
    line = Line(lambda: connection, heartbeat_seconds=120, name="run")
    yield line
    line.close()


def test_it_is_opened_when_it_is_used_and_bodies_stay_bytes(
    line: Line, connection: Connection
) -> None:
    assert not line.is_open
    assert line.generation == 0
    with line.channel() as channel:
        assert not channel.auto_decode
    assert line.is_open
    assert line.generation == 1
    options: dict[str, Any] = connection.transport_options
    assert "confirm_publish" not in options
    assert options["client_properties"] == {"connection_name": "celery-aws migrate run", "mine": 1}
    assert options["read_timeout"] > 0


def test_heartbeats_go_on_even_after_one_failed(line: Line, connection: Connection) -> None:
    with line.channel():
        pass
    assert all(connection.beats.acquire(timeout=10) for _ in range(3))
    line.close()
    line.close()
    assert "celery-aws-migrate-heartbeats" not in {each.name for each in threading.enumerate()}


@pytest.mark.parametrize(
    ("error", "refused"),
    [(OSError("reset"), False), (RecoverableConnectionError(), False), (AccessRefused(), True)],
)
def test_a_failure_loses_it_and_the_next_use_opens_another(
    line: Line, connection: Connection, error: Exception, refused: bool
) -> None:
    with pytest.raises(LineLostError) as caught, line.channel():
        raise error
    assert caught.value.refused is refused
    assert not line.is_open
    connection.is_open = True
    with line.channel():
        assert line.generation == 2


def test_other_errors_do_not_lose_it(line: Line) -> None:
    with pytest.raises(KeyError), line.channel():
        raise KeyError
    assert line.is_open


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError("refused"), BrokerLostError),
        (AccessRefused("login"), ConfigurationError),
        (NotAllowed("vhost"), ConfigurationError),
    ],
)
def test_why_it_cannot_be_opened_is_told_without_secrets(
    error: Exception, expected: type[Exception]
) -> None:
    line = Line(lambda: Connection(error))
    with pytest.raises(expected) as caught, line.channel():
        pass
    assert "secret" not in str(caught.value)
    assert "host" in str(caught.value)
    line.close()


def test_an_app_says_how_often_heartbeats_go() -> None:
    app = old_app(broker_url="amqp://")
    app.conf.broker_heartbeat = 33
    assert line_of(app)._heartbeat_seconds == 33
    app.conf.broker_heartbeat = None
    assert line_of(app)._heartbeat_seconds == 0
