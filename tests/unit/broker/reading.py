"""Consumers of transient queues, and who publishes to them."""

from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Queue

from tests.unit.broker.conftest import PATIENCE_SECONDS

NEWS = Exchange("news", type="fanout")


def transient(name: str = "paper", exchange: Exchange | None = NEWS, **options: Any) -> Queue:
    return Queue(name, exchange, **{"exclusive": True, "auto_delete": True, **options})


class Reader:
    """Consumes a queue, and writes down what it reads."""

    def __init__(
        self,
        connection: Connection,
        queue: Queue,
        *,
        no_ack: bool = False,
        prefetch_count: int = 0,
    ) -> None:
        self.connection = connection
        self.channel = connection.channel()
        self.channel.basic_qos(0, prefetch_count, False)
        self.messages: list[Any] = []
        self.consumer = Consumer(
            self.channel, [queue], on_message=self.messages.append, no_ack=no_ack
        )
        self.consumer.consume()

    def read(self, count: int = 1) -> list[Any]:
        """Return the payloads read so far, so many at least."""
        while len(self.messages) < count:
            self.connection.drain_events(timeout=PATIENCE_SECONDS)
        return [message.payload for message in self.messages]

    def has_only(self, count: int) -> bool:
        with pytest.raises(TimeoutError):
            self.connection.drain_events(timeout=0.05)
        return len(self.messages) == count


def publish(connection: Connection, *payloads: Any, exchange: str = "news", key: str = "") -> None:
    producer = connection.Producer()
    for payload in payloads:
        producer.publish(payload, exchange=exchange, routing_key=key, declare=[NEWS])
