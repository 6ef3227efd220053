import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.large_messages import pointing
from celery_aws.core.messages import OutgoingMessage, S3Pointer
from celery_aws.core.migration_marks import (
    ATTRIBUTE,
    MigrationMark,
    mark_migrated,
    migration_mark,
    task_key,
)
from celery_aws.core.refusals import refusal_of
from celery_aws.core.scheduled_items import pack_message, unpack_message
from celery_aws.limits import SQS_MESSAGE_ATTRIBUTES
from celery_aws.names import BucketName, ObjectKey

GOLDEN = Path(__file__).parents[2] / "golden" / "migrate" / "mark.json"
POINTER = S3Pointer(bucket=BucketName("payloads"), key=ObjectKey("1"))
ANY_TEXT = st.text(st.characters(exclude_categories=()))


def with_attributes(count: int) -> OutgoingMessage:
    value = {"DataType": "String", "StringValue": "v"}
    return OutgoingMessage(
        body="b", message_attributes={f"a{number}": value for number in range(count)}
    )


def test_the_mark_is_public() -> None:
    golden = json.loads(GOLDEN.read_text())
    key = task_key(golden["task_id"], source_key=golden["source_key"])

    marked = mark_migrated(with_attributes(0), task_key=key, copy_id=golden["copy_id"])

    assert marked.message_attributes == golden["message_attributes"]
    assert migration_mark(golden["message_attributes"]) == MigrationMark(
        task_key=key, copy_id=golden["copy_id"]
    )


@given(st.none() | ANY_TEXT, ANY_TEXT)
def test_sqs_and_dynamodb_take_the_mark_of_any_message(task_id: str | None, source: str) -> None:
    key = task_key(task_id, source_key=source)

    marked = mark_migrated(with_attributes(2), task_key=key, copy_id="copy")

    assert migration_mark(marked.message_attributes) == MigrationMark(task_key=key, copy_id="copy")
    assert refusal_of(marked) is None
    assert len(key) <= 161


@given(st.none() | ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_a_key_is_for_one_message_of_the_source(task_id: str | None, one: str, other: str) -> None:
    same = task_key(task_id, source_key=one) == task_key(task_id, source_key=other)

    assert same is (one == other)


def test_a_key_shows_the_task() -> None:
    assert task_key("nightly-report", source_key="1").startswith("nightly-report#")


@pytest.mark.parametrize("count", range(SQS_MESSAGE_ATTRIBUTES + 1))
def test_a_mark_leaves_room_for_what_a_large_message_needs(count: int) -> None:
    marked = mark_migrated(with_attributes(count), task_key="k", copy_id="c")

    pointed = len(pointing(marked, POINTER).message_attributes)
    assert pointed <= max(SQS_MESSAGE_ATTRIBUTES, count + 1)
    assert (ATTRIBUTE in marked.message_attributes) is (count <= SQS_MESSAGE_ATTRIBUTES - 2)


def test_what_is_in_s3_already_needs_no_more_room() -> None:
    pointed = pointing(with_attributes(8), POINTER)

    assert ATTRIBUTE in mark_migrated(pointed, task_key="k", copy_id="c").message_attributes


def test_another_request_is_another_copy() -> None:
    first = mark_migrated(with_attributes(8), task_key="k", copy_id="1")
    second = mark_migrated(first, task_key="k", copy_id="2")

    assert migration_mark(second.message_attributes) == MigrationMark(task_key="k", copy_id="2")
    assert len(second.message_attributes) == len(first.message_attributes)


def test_a_parked_message_keeps_its_mark() -> None:
    marked = mark_migrated(with_attributes(1), task_key="k", copy_id="1")

    assert unpack_message(pack_message(marked)) == marked


@pytest.mark.parametrize(
    "attribute",
    [
        {},
        {"StringValue": ""},
        {"StringValue": None},
        {"StringValue": "nothing"},
        {"StringValue": "no-copy "},
        {"StringValue": " no-key"},
        {"DataType": "Binary", "BinaryValue": b"k 1"},
    ],
)
def test_what_is_no_mark_says_nothing(attribute: dict[str, object]) -> None:
    assert migration_mark({ATTRIBUTE: attribute}) is None
    assert migration_mark({}) is None
