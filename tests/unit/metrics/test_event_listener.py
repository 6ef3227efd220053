import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from celery_aws.metrics.event_listener import EventListener
from celery_aws.testing.clock import FakeClock


class Receiver:
    """What Celery's receiver does with a message, and nothing of how it gets one."""

    def __init__(self, events: list[dict[str, Any]], handlers: Mapping[str, Any]) -> None:
        self._events = events
        self._handle = handlers["*"]
        self.should_stop = False

    def capture(self, **options: Any) -> None:
        for each in self._events:
            _, event = self.event_from_message(each)
            self._handle(event)

    def event_from_message(self, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        # As Celery's: shifted by time zones.
        return body["type"], {**body, "timestamp": body["timestamp"] + 3_600}


class Apps:
    """An app whose connections fail as often as a test wants, and then bring an event."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.connections = 0
        self.events = SimpleNamespace(Receiver=Receiver)

    @contextmanager
    def connection_for_read(self) -> Iterator[list[dict[str, Any]]]:
        self.connections += 1
        if self.connections <= self.failures:
            raise ConnectionError("no broker")
        yield [{"type": "worker-online", "timestamp": 5.0}]


def test_it_connects_again_and_again(caplog: pytest.LogCaptureFixture) -> None:
    app, clock = Apps(failures=5), FakeClock()
    heard: list[Mapping[str, Any]] = []

    def handle(event: Mapping[str, Any]) -> None:
        heard.append(event)
        listener.stop(0)

    listener = EventListener(app, handle, clock)
    with caplog.at_level(logging.WARNING):
        listener.run()
    assert app.connections == 6
    assert len(clock.sleeps) == 5
    assert caplog.text.count("events are not heard") == 3
    # The time that the sender gave it.
    assert [each["raw_timestamp"] for each in heard] == [5.0]
