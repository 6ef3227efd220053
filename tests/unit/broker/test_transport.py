"""The transport in kombu's event loop and in ``drain_events``."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer
from kombu.asynchronous import Hub

from celery_aws.broker import Transport
from celery_aws.errors import ReceiverFailedError, UnreachableError
from celery_aws.names import QueueName
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import NAME, PATIENCE_SECONDS, TASKS, Connect


class Worker:
    """Consumes from one connection's channel, as a worker does."""

    def __init__(self, connection: Connection, *, prefetch_count: int = 0) -> None:
        self.connection = connection
        self.channel = connection.default_channel
        self.channel.basic_qos(0, prefetch_count, False)
        self.messages: list[Any] = []
        self.on_message: Callable[[Any], None] = self.messages.append
        self.consumer = Consumer(self.channel, [TASKS], on_message=self._on_message)

    def _on_message(self, message: Any) -> None:
        self.on_message(message)

    def publish(self, *bodies: str) -> None:
        producer = self.connection.Producer()
        for body in bodies:
            producer.publish(body, routing_key="celery", serializer="json")

    def buffered(self, sqs: MemorySqs, count: int) -> None:
        """Wait until so many messages were received and are not delivered."""
        assert sqs.wait_until(lambda: in_flight(sqs) >= count)
        assert self.connection.transport.buffer.wait(PATIENCE_SECONDS)


def in_flight(sqs: MemorySqs, name: QueueName = NAME) -> int:
    return sum(each.received_at is not None for each in sqs.messages(name))


@pytest.fixture
def connection(connect: Connect) -> Connection:
    return connect()


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.close()


def run_until(hub: Hub, done: Callable[[], bool]) -> None:
    loop = hub.create_loop()
    for _ in range(1_000):
        if done():
            return
        next(loop)
    raise AssertionError("the loop never got there")


def test_the_event_loop_delivers(connection: Connection, hub: Hub, sqs: MemorySqs) -> None:
    worker = Worker(connection)
    connection.transport.register_with_event_loop(connection.connection, hub)
    worker.consumer.consume()
    worker.publish("1", "2", "3")

    run_until(hub, lambda: len(worker.messages) == 3)

    assert [message.payload for message in worker.messages] == ["1", "2", "3"]


def test_a_consumer_may_come_before_the_event_loop(
    connection: Connection, hub: Hub, sqs: MemorySqs
) -> None:
    worker = Worker(connection)
    worker.publish("1")
    worker.consumer.consume()
    connection.transport.register_with_event_loop(connection.connection, hub)

    run_until(hub, lambda: len(worker.messages) == 1)


def test_what_celery_raises_loses_no_other_message(
    connection: Connection, hub: Hub, sqs: MemorySqs
) -> None:
    worker = Worker(connection)
    connection.transport.register_with_event_loop(connection.connection, hub)
    worker.publish("1", "2", "3")
    raised: list[Any] = []

    def raise_at_first(message: Any) -> None:
        raised.append(message)
        raise RuntimeError("a bug in the application")

    worker.on_message = raise_at_first
    worker.consumer.consume()
    with pytest.raises(RuntimeError, match="a bug"):
        run_until(hub, lambda: False)
    worker.on_message = worker.messages.append
    run_until(hub, lambda: len(worker.messages) == 2)

    assert [message.payload for message in raised + worker.messages] == ["1", "2", "3"]


def test_what_celery_raises_after_closing_gives_the_rest_back(
    connection: Connection, hub: Hub, sqs: MemorySqs
) -> None:
    worker = Worker(connection)
    connection.transport.register_with_event_loop(connection.connection, hub)
    worker.publish("1", "2", "3")

    def close_and_raise(_: Any) -> None:
        connection.close()
        raise RuntimeError("a bug in the application")

    worker.on_message = close_and_raise
    worker.consumer.consume()
    with pytest.raises(RuntimeError, match="a bug"):
        run_until(hub, lambda: False)

    assert sqs.wait_until(lambda: [m.visible_at for m in sqs.messages(NAME)] == [0, 0, 0])


def test_a_shutdown_turns_the_event_loop(connection: Connection, hub: Hub) -> None:
    """Celery looks between two turns whether it shall stop; the next one may be far away."""
    connection.transport.register_with_event_loop(connection.connection, hub)
    hub.timer.max_interval = PATIENCE_SECONDS
    hub.timer.call_after(PATIENCE_SECONDS, lambda: None)
    began = time.monotonic()
    connection.transport._shutdown_begins(False)

    next(hub.create_loop())

    assert time.monotonic() - began < PATIENCE_SECONDS / 2


def test_drain_events_times_out(connection: Connection) -> None:
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0)


def test_a_receivers_bug_is_a_connection_error(connection: Connection, sqs: MemorySqs) -> None:
    worker = Worker(connection)
    worker.consumer.queues[0].declare()
    sqs.faults.fail("ReceiveMessage", ZeroDivisionError("a bug of ours"))
    worker.consumer.consume()

    with pytest.raises(ReceiverFailedError, match="a bug of ours") as caught:
        connection.drain_events(timeout=PATIENCE_SECONDS)

    assert isinstance(caught.value, connection.connection_errors)


def test_a_connection_is_proved_once_a_process(connect: Connect, sqs: MemorySqs) -> None:
    for _ in range(3):
        connect().connect()

    assert sqs.count("GetQueueUrl") == 1


def test_a_refused_connection_is_recoverable(connect: Connect, sqs: MemorySqs) -> None:
    sqs.faults.fail("GetQueueUrl", UnreachableError("nobody there"))
    connection = connect()
    with pytest.raises(connection.recoverable_connection_errors):
        connection.transport.establish_connection()

    connection.connect()

    assert connection.connected


def test_making_a_transport_asks_nothing(connection: Connection, sqs: MemorySqs) -> None:
    assert isinstance(connection.transport, Transport)
    assert sqs.calls == []


def test_options_without_effect_are_named(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    assert connect(predefined_exchanges={"x": {}}).transport.driver_type == "aws"

    assert "predefined_exchanges" in caplog.text


def test_closing_twice_is_no_error(connection: Connection, hub: Hub) -> None:
    worker = Worker(connection)
    transport, raw = connection.transport, connection.connection
    transport.register_with_event_loop(raw, hub)
    worker.consumer.consume()

    connection.close()
    connection.close()
    transport.close_connection(raw)

    assert not hub.readers


def test_closing_lets_no_poll_of_its_own_keep_what_it_gave_back(
    connection: Connection, sqs: MemorySqs
) -> None:
    """The last poll is handed what the close gives back, and has to give it back again."""
    worker = Worker(connection, prefetch_count=2)
    worker.publish("1")
    worker.consumer.consume()
    while not worker.messages:
        connection.drain_events(timeout=PATIENCE_SECONDS)
    assert sqs.wait_until(lambda: sqs.polls_under_way == 1)

    clock = connection.transport.clock
    connection.close()

    assert sqs.polls_under_way == 0
    (message,) = sqs.messages(NAME)
    assert message.receive_count == 2
    assert not message.in_flight(clock.monotonic())
