import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.migrate.messages import Carried, Unreadable
from celery_aws.migrate.redis.entries import Entry, read_entry, read_held
from celery_aws.migrate.redis.layout import WaitingList
from celery_aws.names import AmqpQueue

LIST = WaitingList(queue=AmqpQueue("celery"), step=3, name="celery:3")
NEW = AmqpQueue("celery-new")
TAG = "00000000-0000-4000-8000-000000000000"


def envelope(**properties: Any) -> dict[str, Any]:
    return {
        "body": "e30=",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"id": "task-1", "task": "add"},
        "properties": {"delivery_tag": TAG, "body_encoding": "base64", **properties},
    }


def entry(content: Any) -> Entry:
    return Entry(stored=json.dumps(content).encode(), waiting=LIST)


def test_a_message_has_the_key_of_its_publish_and_the_new_name_of_its_queue() -> None:
    message = entry(envelope(priority=5)).message(NEW)

    assert isinstance(message, Carried)
    assert message.key == f"celery/{TAG}/task-1"
    assert message.queue == NEW
    assert message.priority == 5
    assert message.envelope["headers"] == {"id": "task-1", "task": "add"}


@pytest.mark.parametrize(("written", "read"), [(None, 3), ("x", 3), (-1, 0), ("7", 7), (255, 9)])
def test_a_priority_is_read_as_kombu_reads_it(written: Any, read: int) -> None:
    message = entry(envelope(priority=written)).message(NEW)

    assert isinstance(message, Carried)
    assert message.priority == read


def test_headers_that_kombu_would_make_something_of_stay_what_they_are() -> None:
    date = {"__type__": "datetime", "__value__": "2026-01-01T00:00:00"}
    unknown = {"__type__": "of somebody's own", "__value__": 1}
    content = {**envelope(), "headers": {"id": "1", "task": "t", "on": date, "what": unknown}}

    message = entry(content).message(NEW)

    assert isinstance(message, Carried)
    assert message.envelope["headers"] == content["headers"]


@pytest.mark.parametrize(
    "raw",
    [b"\xff", b"", b"{", b"[]", b"{}", b'{"body": 1, "properties": {}}', b"[" * 100_000],
    ids=["no text", "nothing", "cut off", "list", "no body", "a number", "too deep"],
)
def test_what_nobody_can_read_keeps_its_bytes(raw: bytes) -> None:
    message = Entry(stored=raw, waiting=LIST).labelled().message(NEW)

    assert isinstance(message, Unreadable)
    assert message.raw == raw
    assert message.queue == "celery"
    assert message.reason


@pytest.mark.parametrize("tag", [None, "1", 17, "not-unique"])
def test_two_entries_with_the_same_content_and_no_tag_are_two_messages(tag: Any) -> None:
    same = entry(envelope(delivery_tag=tag))

    assert same.needs_label
    first, second = same.labelled(), same.labelled()
    assert first.message(NEW).key != second.message(NEW).key
    assert first.message(NEW).key == Entry(stored=first.stored, waiting=LIST).message(NEW).key
    assert first.raw == second.raw == same.stored
    assert not first.needs_label


@given(st.binary())
def test_a_label_comes_off_whatever_is_behind_it(raw: bytes) -> None:
    assert Entry(stored=raw, waiting=LIST).labelled().raw == raw


def test_an_entry_with_a_tag_of_its_own_needs_no_label() -> None:
    assert not entry(envelope()).needs_label


def test_what_a_worker_held_comes_back_as_kombu_brings_it_back() -> None:
    content = envelope(delivery_info={"exchange": "", "routing_key": "celery"})
    held = read_held(json.dumps([content, "", "celery"]).encode())

    assert held is not None
    restored = json.loads(held.restored())
    assert restored["headers"]["redelivered"] is True
    assert restored["properties"]["delivery_info"]["redelivered"] is True
    assert restored["body"] == content["body"]


def test_a_held_message_without_headers_or_delivery_info_comes_back_too() -> None:
    content = {**envelope(), "headers": None}
    held = read_held(json.dumps([content, None, "celery"]).encode())

    assert held is not None
    assert held.exchange == ""
    assert json.loads(held.restored())["headers"] is None


@pytest.mark.parametrize("value", [b"", b"[]", b"[1, 2, 3]", b'[{}, "", "celery"]', b"\xff"])
def test_what_is_no_held_message_is_none(value: bytes) -> None:
    assert read_held(value) is None


def test_what_is_no_entry_is_none() -> None:
    assert read_entry(b"{}") is None
    assert read_entry(json.dumps(envelope()).encode()) is not None
