import base64
import random
import zlib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_aws.core.attributes import Item, binary, item_bytes, number, text
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.schedule import STANDARD, ScheduledTask, entry_key, shard_of
from celery_aws.core.scheduled_items import (
    DUE,
    MESSAGE,
    PARTS,
    QUEUE_URL,
    SUMMARY,
    TASK_ID,
    entry_items,
    pack_message,
    part_keys,
    scheduled_task,
    send_after_of,
    summary_of,
)
from celery_aws.core.table_keys import PARTITION, SORT, key_of
from celery_aws.limits import DYNAMODB_ITEM_BYTES, SQS_MESSAGE_BYTES
from celery_aws.names import QueueUrl
from tests.unit.core.scheduling import TASKS, task

NOISE = base64.b64encode(random.Random(4).randbytes(SQS_MESSAGE_BYTES)).decode()[:SQS_MESSAGE_BYTES]


def items_of(scheduled: ScheduledTask) -> list[Item]:
    shard = shard_of(scheduled, STANDARD, parked_before=0)
    return entry_items(scheduled, entry_key(scheduled, shard))


@given(TASKS)
def test_what_was_parked_comes_back(scheduled: ScheduledTask) -> None:
    (entry,) = items_of(scheduled)

    assert scheduled_task(entry) == scheduled
    assert send_after_of(entry) == scheduled.send_after
    assert part_keys(entry) == []


@given(TASKS, st.randoms(use_true_random=False), st.integers(300_000, SQS_MESSAGE_BYTES))
@settings(max_examples=10)
def test_what_does_not_fit_comes_back_from_its_parts(
    scheduled: ScheduledTask, order: random.Random, size: int
) -> None:
    scheduled = replace(scheduled, message=replace(scheduled.message, body=NOISE[:size]))
    *parts, entry = items_of(scheduled)
    order.shuffle(parts)

    assert scheduled_task(entry, parts) == scheduled
    keys = sorted(str(key_of(part)) for part in parts)
    assert keys == sorted(map(str, part_keys(entry)))


def test_every_item_is_small_enough_for_dynamodb() -> None:
    # The largest message of all, and everything else as long as it gets.
    scheduled = replace(task("é" * 300), message=OutgoingMessage(body=NOISE))
    scheduled = replace(scheduled, task="t" * 300, queue_url=QueueUrl("q" * 200))
    items = items_of(scheduled)

    assert len(items) == 4
    assert max(map(item_bytes, items)) < DYNAMODB_ITEM_BYTES
    # 1.2 MB of bytes that no compression makes smaller.
    body = random.Random(5).randbytes(1_200_000).decode("latin-1")
    scheduled = replace(task(), message=OutgoingMessage(body=body))
    *parts, entry = items_of(scheduled)
    assert max(map(item_bytes, parts)) < DYNAMODB_ITEM_BYTES
    assert scheduled_task(entry, parts) == scheduled


def test_parts_are_written_before_the_entry() -> None:
    *parts, entry = items_of(task(body=NOISE))

    assert entry[PARTS] == number(len(parts))
    assert MESSAGE not in entry
    assert all(part[PARTITION]["S"].startswith("part#schedule#standard#") for part in parts)


def test_parts_of_one_task_are_not_those_of_another() -> None:
    keys = [
        str(key_of(part))
        for task_id in ("one", "other")
        for part in items_of(task(task_id, body=NOISE))[:-1]
    ]

    assert len(set(keys)) == len(keys)


def test_a_typical_task_is_one_write_unit() -> None:
    body = base64.b64encode(random.Random(4).randbytes(150)).decode() + '{"lang": "py"}' * 40
    (entry,) = items_of(task(body=body))

    assert item_bytes(entry) <= 1_024


def test_a_delay_is_not_kept() -> None:
    # What is left until the eta is found out when it is sent.
    assert pack_message(OutgoingMessage(body="b", delay_seconds=5)) == pack_message(
        OutgoingMessage(body="b")
    )


def test_a_list_needs_no_message() -> None:
    (entry,) = items_of(task())
    listed = {name: value for name, value in entry.items() if name in SUMMARY}

    assert MESSAGE not in listed
    found = summary_of(listed)
    assert (found["task_id"], found["due"]) == (task().task_id, task().due)
    assert found["send_after"] == task().due - timedelta(seconds=900)


def test_missing_parts_are_an_error() -> None:
    *parts, entry = items_of(task(body=NOISE))

    with pytest.raises(ValueError, match="1 parts are missing"):
        scheduled_task(entry, parts[1:])


def test_parts_of_two_writes_are_an_error() -> None:
    *parts, entry = items_of(task(body=NOISE))
    other = items_of(task(body=NOISE[::-1]))[:-1]

    with pytest.raises(ValueError, match="unreadable"):
        scheduled_task(entry, [parts[0], *other[1:]])


BROKEN_MESSAGES = [
    b"",
    b"no compression",
    zlib.compress(b"no JSON"),
    zlib.compress(b"\xff"),
    zlib.compress(b"[]"),
    zlib.compress(b'"text"'),
    zlib.compress(b"{}"),
    zlib.compress(b'{"body": 5}'),
    zlib.compress(b'{"body": "b", "group": 5}'),
    zlib.compress(b'{"body": "b", "attributes": []}'),
    zlib.compress(b'{"body": "b", "attributes": {"a": 5}}'),
    zlib.compress(b'{"body": "b", "attributes": {"a": {"BinaryValue": "?"}}}'),
    zlib.compress(b'{"body": "b", "attributes": {"a": {"BinaryValue": 5}}}'),
]


@pytest.mark.parametrize("packed", BROKEN_MESSAGES, ids=range(len(BROKEN_MESSAGES)))
def test_a_message_that_is_none_is_an_error_and_nothing_worse(packed: bytes) -> None:
    (entry,) = items_of(task())

    with pytest.raises(ValueError, match=r"."):
        scheduled_task({**entry, MESSAGE: binary(packed)})


@pytest.mark.parametrize(
    "changed",
    [
        {TASK_ID: None},
        {TASK_ID: number(5)},
        {DUE: text("noon")},
        {QUEUE_URL: None},
        {SORT: text("noon#id#celery")},
        {SORT: text("")},
        {MESSAGE: None},
        {MESSAGE: text("text")},
    ],
)
def test_an_entry_that_is_none_is_an_error_and_nothing_worse(changed: Item) -> None:
    (entry,) = items_of(task())
    broken = {name: value for name, value in {**entry, **changed}.items() if value is not None}

    with pytest.raises(ValueError, match=r"."):
        scheduled_task(broken)
