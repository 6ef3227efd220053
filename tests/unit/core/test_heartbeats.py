import json
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.events import EventDispatcher
from celery.worker import control
from celery.worker.heartbeat import Heart

from celery_aws.core.heartbeats import CELERY_SECONDS, Heartbeats
from tests.unit.core.publishing import Publisher

NODE = "celery@host"
BEAT, ONLINE, OFFLINE = "worker.heartbeat", "worker.online", "worker.offline"


def message(freq: Any = CELERY_SECONDS, **over: Any) -> dict[str, Any]:
    event = {"type": "worker-heartbeat", "hostname": NODE, "freq": freq, "active": 3}
    return {
        "body": json.dumps(event),
        "content-type": "application/json",
        "headers": {"hostname": NODE},
        "properties": {"delivery_mode": 1},
        **over,
    }


class Timer:
    """Takes what a worker wants to be called for."""

    def call_repeatedly(self, *_: Any) -> None:
        pass


def dispatched(send: Callable[[EventDispatcher], object]) -> dict[str, Any]:
    """Return the event that ``send`` lets a worker's dispatcher publish."""
    publisher = Publisher(event_serializer="json")

    def do(app: Celery) -> None:
        with app.connection_for_write() as connection:
            send(app.events.Dispatcher(connection, hostname=NODE))

    return publisher.sent(lambda: do(publisher.app))


def as_celery_sends_it(interval: float | None, event: str) -> dict[str, Any]:
    """Return the event that a worker sends with this ``--heartbeat-interval``."""
    return dispatched(lambda dispatcher: Heart(Timer(), dispatcher, interval)._send(event))


def as_celery_sends_it_when_asked() -> dict[str, Any]:
    """Return the event that a worker sends on the command ``heartbeat``."""

    def answer(dispatcher: EventDispatcher) -> None:
        consumer = SimpleNamespace(event_dispatcher=dispatcher)
        control.heartbeat(SimpleNamespace(consumer=consumer))

    return dispatched(answer)


@pytest.mark.parametrize(("event", "key"), [("worker-heartbeat", BEAT), ("worker-online", ONLINE)])
def test_what_celery_sends_if_nobody_chose_an_interval_is_told_with_ours(
    event: str, key: str
) -> None:
    sent = as_celery_sends_it(None, event)

    thinned = Heartbeats(15).thinned(key, sent)

    assert thinned is not None
    assert json.loads(thinned["body"]) == {**json.loads(sent["body"]), "freq": 15}
    assert {**thinned, "body": ""} == {**sent, "body": ""}


@pytest.mark.parametrize("interval", [1, 3, 10, 60])
@pytest.mark.parametrize(("event", "key"), [("worker-heartbeat", BEAT), ("worker-online", ONLINE)])
def test_what_somebody_chose_is_left_alone(interval: float, event: str, key: str) -> None:
    assert Heartbeats(15).thinned(key, as_celery_sends_it(interval, event)) is None


@pytest.mark.parametrize("key", [OFFLINE, "task.received", "task-sent", "", "worker-heartbeat"])
def test_other_events_are_left_alone(key: str) -> None:
    assert Heartbeats(15).thinned(key, message()) is None


@pytest.mark.parametrize(
    "other",
    [
        message(freq=None),
        message(freq="2.0"),
        message(body="no JSON"),
        message(body=b"\xff"),
        message(body=None),
        message(body=5),
        message(body="[2.0]"),
        message(body="5"),
        message(**{"content-type": "application/x-msgpack"}),
        message(**{"content-type": None}),
    ],
    ids=lambda each: str(each["body"])[:30],
)
def test_what_is_no_heartbeat_is_left_alone(other: dict[str, Any]) -> None:
    assert Heartbeats(15).thinned(BEAT, other) is None


def test_the_publishers_message_is_not_changed() -> None:
    sent = message()

    Heartbeats(15).thinned(BEAT, sent)

    assert sent == message()


def sent_at(every_seconds: float, beats: int, *, jitter_seconds: float = 0.0) -> list[float]:
    """Return when heartbeats are sent of a worker that beats every 2 s, now early and now late."""
    heartbeats = Heartbeats(every_seconds)
    times = [2.0 * beat + jitter_seconds * (-1) ** beat for beat in range(beats)]
    return [now for now in times if heartbeats.is_due(BEAT, NODE, now)]


def told_seconds(every_seconds: float) -> float:
    thinned = Heartbeats(every_seconds).thinned(BEAT, message())
    assert thinned is not None
    return float(json.loads(thinned["body"])["freq"])


def test_one_in_eight_is_worth_a_request() -> None:
    assert sent_at(15, 20) == [0.0, 16.0, 32.0]


@pytest.mark.parametrize("every_seconds", [1, 2, 3, 5, 15, 60])
@pytest.mark.parametrize("jitter_seconds", [0.0, 0.1])
def test_a_monitor_never_takes_a_worker_for_offline(
    every_seconds: float, jitter_seconds: float
) -> None:
    # celery/events/state.py: twice the freq without a heartbeat is too long.
    times = sent_at(every_seconds, 100, jitter_seconds=jitter_seconds)
    longest = max(after - before for before, after in pairwise(times))

    assert longest < 2 * told_seconds(every_seconds)


def test_what_a_monitor_asked_for_is_sent_and_the_next_one_too() -> None:
    # It tells 5 s: other monitors would take the worker for offline 10 s later.
    heartbeats = Heartbeats(15)
    assert heartbeats.is_due(BEAT, NODE, 0.0)
    heartbeats.keep(NODE, "at 0.5")

    assert heartbeats.thinned(BEAT, as_celery_sends_it_when_asked()) is None

    assert heartbeats.take_kept(1.0) == []
    assert heartbeats.is_due(BEAT, NODE, 2.0)
    assert not heartbeats.is_due(BEAT, NODE, 4.0)


def test_what_was_asked_of_one_worker_changes_nothing_for_another() -> None:
    heartbeats = Heartbeats(15)
    heartbeats.is_due(BEAT, "other@host", 0.0)

    heartbeats.thinned(BEAT, as_celery_sends_it_when_asked())

    assert not heartbeats.is_due(BEAT, "other@host", 2.0)


def test_that_a_worker_is_online_is_always_worth_a_request() -> None:
    heartbeats = Heartbeats(15)

    assert heartbeats.is_due(BEAT, NODE, 0.0)
    assert heartbeats.is_due(ONLINE, NODE, 1.0)
    assert heartbeats.is_due(ONLINE, NODE, 1.0)
    assert not heartbeats.is_due(BEAT, NODE, 15.0)
    assert heartbeats.is_due(BEAT, NODE, 16.0)


def test_workers_are_apart() -> None:
    heartbeats = Heartbeats(15)
    heartbeats.is_due(BEAT, NODE, 0.0)

    assert heartbeats.is_due(BEAT, "other@host", 2.0)
    assert not heartbeats.is_due(BEAT, NODE, 2.0)


def test_the_latest_that_was_not_due_rides_along() -> None:
    heartbeats = Heartbeats(15)
    heartbeats.is_due(BEAT, NODE, 0.0)
    heartbeats.keep(NODE, "at 2")
    heartbeats.keep(NODE, "at 4")
    heartbeats.keep("other@host", "other at 3")

    assert heartbeats.take_kept(5.0) == ["at 4", "other at 3"]
    assert heartbeats.take_kept(5.0) == []


def test_what_rode_along_was_sent() -> None:
    heartbeats = Heartbeats(15)
    heartbeats.is_due(BEAT, NODE, 0.0)
    heartbeats.keep(NODE, "at 10")
    heartbeats.take_kept(10.0)

    assert not heartbeats.is_due(BEAT, NODE, 16.0)
    assert heartbeats.is_due(BEAT, NODE, 26.0)


@pytest.mark.parametrize("key", [BEAT, ONLINE])
def test_what_was_kept_is_out_of_date_after_another_was_sent(key: str) -> None:
    heartbeats = Heartbeats(15)
    heartbeats.is_due(BEAT, NODE, 0.0)
    heartbeats.keep(NODE, "at 14")

    assert heartbeats.is_due(key, NODE, 16.0)
    assert heartbeats.take_kept(16.0) == []
