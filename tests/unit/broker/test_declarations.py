import logging
import threading
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue

from celery_aws.broker.declarations import Declarations
from celery_aws.errors import ConfigurationError, QueueNotFoundError, UnreachableError
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import PATIENCE_SECONDS, Connect


@pytest.fixture
def declarations() -> Iterator[Declarations]:
    made = Declarations()
    yield made
    assert made.stop(PATIENCE_SECONDS)


def test_they_are_made_in_order_in_another_thread(declarations: Declarations) -> None:
    made, done = list[tuple[str, str]](), threading.Event()

    def declare(what: str) -> None:
        made.append((what, threading.current_thread().name))

    for what in ("queue", "binding"):
        declarations.submit(what, partial(declare, what))
    declarations.submit("the end", done.set)

    assert done.wait(PATIENCE_SECONDS)
    assert made == [
        ("queue", "celery-aws-declarations"),
        ("binding", "celery-aws-declarations"),
    ]


@pytest.mark.parametrize("error", [UnreachableError("no route"), ZeroDivisionError("a bug")])
def test_what_fails_is_logged_and_holds_nothing_up(
    declarations: Declarations, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()

    def fail() -> None:
        raise error

    caplog.set_level(logging.WARNING)
    declarations.submit("queue letters", fail)
    declarations.submit("the end", done.set)

    assert done.wait(PATIENCE_SECONDS)
    assert "queue letters could not be declared" in caplog.text
    assert str(error) in caplog.text


class Loop:
    """The few words of kombu's event loop that the transport uses."""

    def __init__(self) -> None:
        self._soon: list[Any] = []

    def add_reader(self, *_: Any) -> None: ...

    def remove_reader(self, *_: Any) -> None: ...

    def call_soon(self, callback: Any) -> None:
        self._soon.append(callback)

    def call_repeatedly(self, *_: Any) -> Any:
        return SimpleNamespace(cancel=lambda: None)

    def turn(self) -> None:
        soon, self._soon = self._soon, []
        for callback in soon:
            callback()


@pytest.fixture
def connection(connect: Connect) -> Connection:
    connection = connect()
    connection.connect()
    return connection


def turning(connection: Connection) -> None:
    """Let the connection's event loop turn, as a worker does."""
    loop = Loop()
    connection.transport.register_with_event_loop(connection.connection, loop)
    assert not connection.transport.in_event_loop, "the worker still starts"
    loop.turn()
    assert connection.transport.in_event_loop


def main_thread_asked(sqs: MemorySqs, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that names what the double is asked in the main thread from now on."""
    asked: list[str] = []
    for name in ("queue_url", "create_queue", "queue_attributes"):
        answer = getattr(sqs, name)

        def ask(*args: Any, name: str = name, answer: Any = answer, **options: Any) -> Any:
            if threading.current_thread() is threading.main_thread():
                asked.append(name)
            return answer(*args, **options)

        monkeypatch.setattr(sqs, name, ask)
    return asked


class TestInTheEventLoop:
    def test_a_queue_is_created_elsewhere(
        self, connection: Connection, sqs: MemorySqs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        turning(connection)
        asked = main_thread_asked(sqs, monkeypatch)

        Queue("letters", Exchange("letters"), "letters")(connection.default_channel).declare()

        directory = connection.transport.directory
        assert sqs.wait_until(lambda: sqs.count("CreateQueue") == 2)  # and its dead letters'
        assert asked == []
        directory.address(AmqpQueue("letters"))
        assert sqs.messages(QueueName("letters")) == []

    def test_what_is_known_to_be_wrong_is_refused_at_once(self, connection: Connection) -> None:
        turning(connection)

        with pytest.raises(ConfigurationError, match="would be"):
            connection.default_channel.queue_declare("x" * 90)

    def test_a_queue_that_is_not_predefined_is_refused_at_once(self, connect: Connect) -> None:
        url = "https://sqs.eu-west-1.amazonaws.com/123456789012/celery"
        connection = connect(predefined_queues={"celery": {"url": url}})
        turning(connection)

        with pytest.raises(QueueNotFoundError, match="predefined"):
            connection.default_channel.queue_declare("letters")

    def test_a_queue_that_is_known_costs_nothing(
        self, connection: Connection, sqs: MemorySqs
    ) -> None:
        connection.default_channel.queue_declare("letters")
        turning(connection)
        before = len(sqs.calls)

        connection.default_channel.queue_declare("letters")

        assert not connection.transport.declarations.alive
        assert len(sqs.calls) == before


def test_before_the_loop_turns_a_queue_exists_when_it_is_declared(
    connection: Connection, sqs: MemorySqs
) -> None:
    connection.transport.register_with_event_loop(connection.connection, Loop())

    connection.default_channel.queue_declare("letters")

    assert sqs.messages(QueueName("letters")) == []


def test_a_closed_connection_declares_nothing_more(connection: Connection) -> None:
    turning(connection)
    transport = connection.transport

    connection.close()

    assert not transport.in_event_loop
    assert transport.declarations.stopping
