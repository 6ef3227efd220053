import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.attributes import Item, item_bytes, number, text
from celery_aws.core.binding_items import sort_key_of
from celery_aws.core.inbox_items import (
    BINDINGS,
    DURATION,
    OWNER,
    PARTITION_OF_INBOXES,
    URL,
    VERSION,
    InboxRecord,
    inbox_item,
    inbox_key,
    inbox_record,
)
from celery_aws.core.table_keys import PARTITION, SORT, key_of
from celery_aws.names import InboxId, QueueUrl
from tests.unit.core import controlling

RECORDS = st.builds(
    InboxRecord,
    inbox=st.uuids().map(lambda inbox: InboxId(inbox.hex)),
    url=st.text(min_size=1, max_size=80).map(QueueUrl),
    owner=st.text(min_size=1, max_size=40),
    version=st.uuids().map(str),
    duration_seconds=st.integers(2, 86_400).map(float) | st.floats(0.001, 86_400),
    bindings=st.lists(controlling.BINDINGS.map(sort_key_of), max_size=4).map(tuple),
)

RECORD = InboxRecord(
    inbox=InboxId("i1"),
    url=QueueUrl("https://sqs/i1"),
    owner="host:1",
    version="v1",
    duration_seconds=600,
    bindings=("celery.pidbox/w%40h.celery.pidbox//i1",),
)


@given(RECORDS)
def test_an_inbox_comes_back(record: InboxRecord) -> None:
    item = inbox_item(record)

    assert inbox_record(item) == record
    assert key_of(item) == inbox_key(record.inbox)
    assert item[PARTITION] == text(PARTITION_OF_INBOXES)


def test_a_workers_is_one_write_unit_whenever_it_is_renewed() -> None:
    assert item_bytes(inbox_item(RECORD)) < 1_024


def test_what_only_people_read_may_be_missing() -> None:
    item = {n: v for n, v in inbox_item(RECORD).items() if n not in (OWNER, VERSION, BINDINGS)}
    read = inbox_record(item)

    assert (read.owner, read.version, read.bindings) == ("somebody", "", ())


@pytest.mark.parametrize(
    "changed",
    [
        {URL: None},
        {URL: number(5)},
        {SORT: None},
        {DURATION: None},
        {DURATION: text("600")},
        *(
            {BINDINGS: text(written)}
            for written in (
                "no JSON",
                "[" * 100_000,
                "5",
                "null",
                '"key"',
                '{"key": 1}',
                "[5]",
                "[null]",
                '[["key"]]',
                # DynamoDB refuses to delete it, and with it everything else of the batch.
                '["key", ""]',
            )
        ),
    ],
    ids=lambda changed: str(changed)[:40],
)
def test_what_is_no_inbox_is_an_error_and_nothing_worse(changed: Item) -> None:
    item = {**inbox_item(RECORD), **changed}

    with pytest.raises(ValueError, match="is no inbox"):
        inbox_record({name: value for name, value in item.items() if value is not None})


@given(controlling.spoiled(RECORDS.map(inbox_item)))
def test_whatever_is_there_is_an_inbox_or_a_value_error(item: Item) -> None:
    try:
        record = inbox_record(item)
    except ValueError:
        return
    assert all(isinstance(key, str) and key for key in record.bindings)


def test_the_sort_keys_are_json() -> None:
    assert json.loads(inbox_item(RECORD)[BINDINGS]["S"]) == list(RECORD.bindings)
