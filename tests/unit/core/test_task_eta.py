import json
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.envelope import load_envelope
from celery_aws.core.task_eta import TaskTiming, moment, task_timing
from tests.unit.core.publishing import SERIALIZERS, Publisher, received, received_eta

NOON = datetime(2099, 7, 1, 12, tzinfo=timezone.utc)
LAST_MOMENT = datetime.max.replace(tzinfo=timezone.utc)
EAST = timezone(timedelta(hours=5))
WEST = timezone(timedelta(hours=-5))


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("protocol", [1, 2])
def test_a_task_on_its_way_out(protocol: int, serializer: str, compression: str | None) -> None:
    message = Publisher(task_protocol=protocol).task(
        eta=NOON, task_id="task-1", serializer=serializer, compression=compression
    )

    assert task_timing(message) == TaskTiming(task_id="task-1", task="shop.mail", eta=NOON)


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("protocol", [1, 2])
def test_a_task_on_its_way_in(protocol: int, serializer: str, compression: str | None) -> None:
    message = Publisher(task_protocol=protocol).task(
        eta=NOON, serializer=serializer, compression=compression
    )

    # Of protocol 1, only JSON is decoded.
    eta = NOON if (protocol, serializer) in {(1, "json"), (2, serializer)} else None
    assert received_eta(received(message)) == eta


@pytest.mark.parametrize("protocol", [1, 2])
def test_a_task_without_an_eta_is_due_at_once(protocol: int) -> None:
    message = Publisher(task_protocol=protocol).task(task_id="task-1")

    assert task_timing(message) == TaskTiming(task_id="task-1", task="shop.mail", eta=None)
    assert received_eta(received(message)) is None


@pytest.mark.parametrize("protocol", [1, 2])
def test_a_countdown_is_an_eta(protocol: int) -> None:
    before = datetime.now(timezone.utc)
    timing = task_timing(Publisher(task_protocol=protocol).task(countdown=901.5))
    after = datetime.now(timezone.utc)

    assert timing is not None
    assert timing.eta is not None
    assert before <= timing.eta - timedelta(seconds=901.5) <= after


@pytest.mark.parametrize(
    ("eta", "expected"),
    [
        ("2099-07-01T12:00:00", NOON),
        ("2099-07-01T12:00:00Z", NOON),
        ("2099-07-01T17:00:00+05:00", NOON),
        ("20990701T12", NOON),
        (b"2099-07-01T12:00:00", NOON),
        (NOON, NOON),
        (NOON.replace(tzinfo=None), NOON),
        (NOON.astimezone(EAST), NOON),
        ("0001-01-01T00:00:00", datetime.min.replace(tzinfo=timezone.utc)),
        ("0001-01-01T00:00:00+05:00", None),
        ("9999-12-31T23:59:59.999999", LAST_MOMENT),
        ("9999-12-31T23:00:00-05:00", LAST_MOMENT),
        (datetime.min.replace(tzinfo=EAST), None),
        (datetime.max.replace(tzinfo=WEST), LAST_MOMENT),
        ("9999-12-31T24:00", None),
        ("", None),
        ("soon", None),
        ("\uff11\uff12", None),
        (None, None),
        (0, None),
        (1_700_000_000, None),
        (True, None),
        (date(2099, 7, 1), None),
        ([], None),
    ],
)
def test_the_moment_of_an_eta(eta: object, expected: datetime | None) -> None:
    assert moment(eta) == expected


@given(
    st.text()
    | st.binary()
    | st.from_regex(r"[0-9]{0,5}-?W?[0-9]{0,3}-?[0-9]{0,3}T?[0-9:.,Z+-]*")
    | st.datetimes(timezones=st.none() | st.timezones(), allow_imaginary=True)
)
def test_no_eta_breaks_a_publisher(eta: object) -> None:
    read = moment(eta)

    assert read is None or read.tzinfo is timezone.utc


@pytest.mark.parametrize(
    ("headers", "body", "eta"),
    [
        # Both protocols at once: the headers come first, if they say anything.
        ({"task": "t", "id": "i"}, {"args": [], "eta": "2099-07-01T12"}, NOON),
        ({"task": "t", "id": "i", "eta": None}, {"args": [], "eta": "2099-07-01T12"}, None),
        ({"task": "t", "id": "i"}, [[], {}, {"eta": "2099-07-01T12"}], None),
        ({"eta": "2099-07-01T12"}, {"task": "t", "args": [], "eta": None}, NOON),
        # Without args, the headers of protocol 1 say nothing.
        ({"eta": "2099-07-01T12"}, {"task": "t", "eta": None}, None),
        ({}, {"task": "t", "eta": "2099-07-01T12"}, NOON),
    ],
)
def test_where_the_eta_is(headers: dict[str, Any], body: Any, eta: datetime | None) -> None:
    message = _message(body, headers)

    timing = task_timing(message)

    assert timing is not None
    assert (timing.task, timing.eta) == ("t", eta)
    assert received_eta(received(message)) == eta


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, {"method": "revoke", "arguments": {"eta": "task"}}),
        ({}, ["task", "eta"]),
        ({}, "eta task"),
        ({}, {"task": 7, "eta": None}),
        ({"task": None}, {"task": "t", "eta": None}),
        ({"task": ["t"], "id": "i", "eta": "2099-07-01T12"}, []),
    ],
)
def test_what_is_no_task(headers: dict[str, Any], body: Any) -> None:
    message = _message(body, headers)

    assert task_timing(message) is None
    assert received_eta(received(message)) is None


def test_a_task_without_an_id_has_none() -> None:
    timing = task_timing(_message([], {"task": "t", "eta": "2099-07-01T12"}))

    assert timing == TaskTiming(task_id=None, task="t", eta=NOON)


@pytest.mark.parametrize("body", ["", "null", "7", '{"detail-type": "eta"}', '{"eta": "task"}'])
def test_what_somebody_else_put_on_the_queue_is_due_at_once(body: str) -> None:
    assert received_eta(load_envelope(body)) is None


def _message(body: Any, headers: dict[str, Any]) -> dict[str, Any]:
    return {
        "body": json.dumps(body),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": {"delivery_info": {}},
    }
