from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import Exchange, Queue, binding
from kombu.transport.native_delayed_delivery import calculate_routing_key

from celery_aws.migrate.amqp.delays import (
    DELAY_SECONDS_MAX,
    Bound,
    Destination,
    Routes,
    arrival,
    due_at,
    routes_of_queues,
    without_delay,
)
from celery_aws.names import AmqpQueue

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def queues_for(routes: Routes, routing_key: str) -> list[str]:
    delayed = calculate_routing_key(90, routing_key)
    return [each.queue for each in routes.destinations(delayed)]


@given(seconds=st.integers(1, DELAY_SECONDS_MAX), key=st.sampled_from(["k", "a.b", "0.1.k", "#"]))
def test_a_routing_key_loses_its_delay(seconds: int, key: str) -> None:
    assert without_delay(calculate_routing_key(seconds, key)) == key


def test_a_retried_task_of_celery_5_5_has_several_delays() -> None:
    bits = ".".join("0" * 28)
    assert without_delay(f"{bits}.{bits}.work") == "work"
    assert without_delay("work") == "work"
    assert without_delay("0.1.work") == "0.1.work"


@given(seconds=st.integers(1, DELAY_SECONDS_MAX))
def test_a_message_that_came_just_now_waits_for_all_of_its_delay(seconds: int) -> None:
    due = due_at(calculate_routing_key(seconds, "k"), 27, arrived=None, now=NOW)
    assert due == NOW + timedelta(seconds=seconds)


def test_levels_that_are_behind_it_are_not_waited_for_again() -> None:
    # 90 = 64 + 16 + 8 + 2: in celery_delayed_4 the 64 seconds are over.
    key = calculate_routing_key(90, "k")
    earlier = NOW - timedelta(seconds=5)
    assert due_at(key, 4, arrived=earlier, now=NOW) == NOW + timedelta(seconds=21)


def test_a_routing_key_without_bits_is_due_at_no_time() -> None:
    assert due_at("work", 4, arrived=None, now=NOW) is None


def test_arrival_is_the_newest_death_or_the_time_of_publication() -> None:
    died = datetime(2026, 11, 23, 11, 59)  # noqa: DTZ001 - AMQP's times have no zone
    deaths = [{"time": died}, {"time": died - timedelta(hours=1)}]
    assert arrival({"x-death": deaths}, {}) == NOW - timedelta(minutes=1)
    assert arrival({}, {"timestamp": int(NOW.timestamp())}) == NOW
    assert arrival({}, {}) is None
    milliseconds = int(NOW.timestamp()) * 1000
    assert arrival({}, {"timestamp": milliseconds}) is None
    assert arrival({"x-death": []}, {}) is None


def test_queues_of_an_app_are_found_by_their_keys() -> None:
    media = Exchange("media", type="topic")
    routes = routes_of_queues(
        [
            Queue("work", Exchange("work", type="topic"), routing_key="work.k"),
            Queue("video", media, routing_key="media.video.#"),
            Queue("all", media, routing_key="#.hd"),
            Queue("plain", Exchange("plain"), routing_key="plain"),
            Queue("many", bindings=[binding(media, routing_key="a.*")]),
        ]
    )
    assert queues_for(routes, "work.k") == ["work"]
    assert queues_for(routes, "media.video.hd") == ["video", "all"]
    assert queues_for(routes, "a.b") == ["many"]
    assert queues_for(routes, "plain") == []
    assert queues_for(routes, "a.b.c") == []
    assert routes.queues == {"work", "video", "all", "many"}


def test_a_destination_has_its_exchange_and_its_key() -> None:
    routes = routes_of_queues([Queue("w", Exchange("e", type="topic"), routing_key="k")])
    expected = Destination(queue=AmqpQueue("w"), exchange="e", routing_key="k")
    assert routes.destinations(calculate_routing_key(9, "k")) == (expected,)


@pytest.mark.parametrize("kind", ["fanout", "x-random"])
def test_exchanges_lead_on_to_others_and_unknown_kinds_nowhere(kind: str) -> None:
    routes = Routes(
        kinds={"celery_delayed_delivery": "topic", "one": "topic", "two": kind},
        bindings={
            "celery_delayed_delivery": [Bound(to="one", is_queue=False, key="#.k")],
            "one": [
                Bound(to="two", is_queue=False, key="#.k"),
                Bound(to="celery_delayed_delivery", is_queue=False, key="#"),
                Bound(to="first", is_queue=True, key="#.k"),
                Bound(to="first", is_queue=True, key="#"),
            ],
            "two": [Bound(to="second", is_queue=True, key="")],
        },
    )
    assert queues_for(routes, "k") == (["first", "second"] if kind == "fanout" else ["first"])
    assert routes.queues == {"first", "second"}
