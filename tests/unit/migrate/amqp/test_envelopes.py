import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.envelope import dump_envelope, load_envelope
from celery_aws.migrate.amqp.envelopes import (
    Place,
    amqp_message,
    key_of,
    message_of_raw,
    raw_message,
    read_message,
    was_handed_out,
)
from celery_aws.migrate.messages import Carried, Message, Unreadable
from celery_aws.names import AmqpQueue
from tests.unit.migrate.amqp.messages import delivered

QUEUE = AmqpQueue("celery")


def read(message: Any, **changes: Any) -> Message:
    place: dict[str, Any] = {
        "queue": QUEUE,
        "new_queue": QUEUE,
        "exchange": "",
        "routing_key": "celery",
    }
    return read_message(message, Place(**{**place, **changes}))


def carried(message: Any, **changes: Any) -> Carried:
    found = read(message, **changes)
    assert isinstance(found, Carried)
    return found


@pytest.mark.parametrize(
    ("given", "ordered", "expected"),
    [(0, True, 9), (9, True, 0), (3, True, 6), (255, True, 0), (None, True, 9), (5, False, None)],
)
def test_priorities_are_turned_round(
    given: int | None, ordered: bool, expected: int | None
) -> None:
    message = carried(delivered(priority=given), has_priorities=ordered)
    assert message.priority == expected
    assert message.envelope["properties"].get("priority") == expected


def test_the_key_is_that_of_the_content() -> None:
    plain = delivered(headers={"id": "1", "n": {"a": 1, "b": 2}}, correlation_id="1")
    key = key_of(plain, QUEUE)
    same = delivered(
        headers={
            "n": {"b": 2, "a": 1},
            "id": "1",
            "x-death": [{"time": datetime(2026, 1, 1, tzinfo=timezone.utc)}],
            "x-first-death-queue": "celery_delayed_3",
            "x-delivery-count": 3,
        },
        correlation_id="1",
        expiration="1000",
        redelivered=True,
        routing_key="0.1.celery",
    )
    assert key_of(same, QUEUE) == key
    others = [
        (delivered(headers={"id": "2"}, correlation_id="1"), QUEUE),
        (delivered(headers=plain.headers, correlation_id="2"), QUEUE),
        (delivered(b"[]", headers=plain.headers, correlation_id="1"), QUEUE),
        (plain, AmqpQueue("other")),
        (delivered(headers={**plain.headers, "x-mine": 1}, correlation_id="1"), QUEUE),
    ]
    keys = {key_of(message, queue) for message, queue in others}
    assert len(keys) == len(others)
    assert key not in keys


@pytest.mark.parametrize(
    "headers",
    [{"x": {"__type__": "nobody's", "__value__": 1}}, {b"\xff": 1}, {"x": [{b"\xff": 1}]}],
)
def test_what_json_cannot_keep_is_unreadable(headers: dict[Any, Any]) -> None:
    message = delivered(b"body", headers={"good": "é", **headers})
    found = read(message)
    assert isinstance(found, Unreadable)
    assert found.key == key_of(message, QUEUE)
    assert "header" in found.reason


def test_a_raw_message_is_read_again() -> None:
    message = delivered(b"\x00\xff", headers={"x": [1, {"y": None}]}, priority=3, expiration="5")
    again = message_of_raw(raw_message(message))
    assert again.body == b"\x00\xff"
    assert again.properties == {
        "application_headers": {"x": [1, {"y": None}]},
        "priority": 3,
        "expiration": "5",
    }
    assert json.loads(raw_message(again)) == json.loads(raw_message(message))


def test_handed_out_is_what_was_redelivered_or_dead_lettered() -> None:
    assert not was_handed_out(delivered())
    assert was_handed_out(delivered(redelivered=True))
    assert was_handed_out(delivered(headers={"x-death": [{"count": 1}]}))


def test_an_eta_is_added_where_there_is_none() -> None:
    due = datetime(2026, 11, 23, 15, tzinfo=timezone.utc)
    task = {"task": "t", "id": "1"}
    added = carried(delivered(headers={**task, "eta": None}), due=due)
    assert added.envelope["headers"]["eta"] == due.isoformat()
    kept = carried(delivered(headers={**task, "eta": "2026-11-23T16:00:00Z"}), due=due)
    assert kept.envelope["headers"]["eta"] == "2026-11-23T16:00:00Z"
    old = json.dumps({"task": "t", "id": "1", "args": [], "eta": "2026-11-23T16:00:00Z"}).encode()
    assert (
        carried(delivered(old, content_type="application/json"), due=due).envelope["headers"] == {}
    )


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=9,
)


@given(
    body=st.binary(max_size=50),
    headers=st.dictionaries(
        st.text(max_size=9).filter(lambda name: not name.startswith("x-")), _JSON, max_size=5
    ),
    priority=st.none() | st.integers(0, 9),
    expiration=st.none() | st.just("60000"),
)
def test_there_and_back_a_message_is_the_same(
    body: bytes, headers: dict[str, Any], priority: int | None, expiration: str | None
) -> None:
    message = delivered(
        body, headers=headers, priority=priority, expiration=expiration, content_type="a/b"
    )
    found = read(message_of_raw(raw_message(message)))
    assert isinstance(found, Carried)
    stored = load_envelope(dump_envelope(found.envelope))
    back = amqp_message(Carried(key="k", queue=QUEUE, envelope=stored, priority=found.priority))
    again = message_of_raw(raw_message(_as_delivered(back)))
    assert again.body == body
    expected = {"application_headers": headers, "content_type": "a/b", "priority": priority or 0}
    # Nobody said it, and it is safe.
    expected["delivery_mode"] = 2
    if expiration is not None:
        expected["expiration"] = expiration
    assert again.properties == expected


def _as_delivered(message: Any) -> Any:
    message.delivery_info = {}
    return message


def test_another_user_s_name_is_left_out() -> None:
    envelope = {"body": "", "properties": {"user_id": "app"}, "headers": {}}
    message = Carried(key="k", queue=QUEUE, envelope=envelope)
    assert "user_id" not in amqp_message(message, user="guest").properties
    assert amqp_message(message, user="app").properties["user_id"] == "app"


@pytest.mark.parametrize(("said", "expected"), [({}, 2), ({"delivery_mode": 1}, 1)])
def test_what_says_nothing_of_it_outlives_rabbitmq(said: dict[str, int], expected: int) -> None:
    envelope = {"body": "", "headers": {}, "properties": said}
    back = amqp_message(Carried(key="1", queue=AmqpQueue("celery"), envelope=envelope))
    assert back.properties["delivery_mode"] == expected
