"""The signs of life of a worker's event loop: what gives them, and what does not."""

import socket
from collections.abc import Iterator

import pytest
from kombu import Connection, Consumer
from kombu.asynchronous import Hub

from celery_aws.broker.celery_worker import CeleryWorker
from celery_aws.broker.loop_life import TICK_SECONDS
from celery_aws.broker.status import DeliveryRecord, delivery_record
from celery_aws.testing.clock import FakeClock
from tests.unit.broker.conftest import PATIENCE_SECONDS, TASKS, Connect


@pytest.fixture
def connection(connect: Connect) -> Connection:
    return connect()


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.close()


@pytest.fixture
def record() -> DeliveryRecord:
    """The record of this process, in which no loop has turned."""
    record = delivery_record()
    record.loop_lost()
    record._loop_turned_at = None
    return record


@pytest.fixture
def in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CeleryWorker, "present", property(lambda _: True))
    # What a worker's other threads do is not looked at.
    monkeypatch.setattr("celery_aws.broker.transport.Transport._start_movers", lambda _: None)


@pytest.mark.usefixtures("in_a_worker")
def test_an_event_loop_that_turns(
    connection: Connection, hub: Hub, clock: FakeClock, record: DeliveryRecord
) -> None:
    connection.transport.register_with_event_loop(connection.connection, hub)
    assert record.status().loop_turned_at is None
    next(hub.create_loop())
    assert record.status().loop_turned_at == clock.monotonic()
    assert record.status().loop_connected
    (tick,) = [waiting.entry for waiting in hub.timer.queue]
    clock.advance(TICK_SECONDS)
    tick()
    assert record.status().loop_turned_at == clock.monotonic()

    connection.close()
    assert not record.status().loop_connected
    assert tick.canceled


@pytest.mark.usefixtures("in_a_worker")
def test_a_loop_without_a_hub(
    connection: Connection, clock: FakeClock, record: DeliveryRecord
) -> None:
    connection.connect()
    with pytest.raises(socket.timeout):
        connection.drain_events(timeout=0)
    assert record.status().loop_turned_at == clock.monotonic()
    connection.close()
    assert not record.status().loop_connected


@pytest.mark.usefixtures("in_a_worker")
def test_a_delivery_is_one_before_and_after(
    connection: Connection, clock: FakeClock, record: DeliveryRecord
) -> None:
    seen: list[float | None] = []

    def work(message: object) -> None:
        seen.append(record.status().loop_turned_at)
        clock.advance(600)

    connection.Producer().publish("1", routing_key="celery")
    consumer = Consumer(connection, [TASKS], on_message=work)
    consumer.consume()
    connection.drain_events(timeout=PATIENCE_SECONDS)
    assert seen == [clock.monotonic() - 600]
    assert record.status().loop_turned_at == clock.monotonic()


def test_a_client_has_no_such_loop(connection: Connection, record: DeliveryRecord) -> None:
    connection.connect()
    with pytest.raises(socket.timeout):
        connection.drain_events(timeout=0)
    assert record.status().loop_turned_at is None
    record.loop_turned(1.0)
    connection.close()
    assert record.status().loop_connected, "another connection's"
