import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.large_messages import (
    dump_pointer,
    load_pointer,
    pause_seconds,
    pointer_problem,
    pointing,
)
from celery_aws.core.messages import OutgoingMessage, S3Pointer
from celery_aws.names import BucketName, ObjectKey

NOW = "software.amazon.payloadoffloading.PayloadS3Pointer"
BEFORE = "com.amazon.sqs.javamessaging.MessageS3Pointer"
WHERE = {"s3BucketName": "b", "s3Key": "k"}


def pointer(bucket: str = "b", key: str = "k") -> S3Pointer:
    return S3Pointer(bucket=BucketName(bucket), key=ObjectKey(key))


@given(st.text(), st.text(max_size=1_024))
def test_a_pointer_is_read_as_it_was_written(bucket: str, key: str) -> None:
    assert load_pointer(dump_pointer(pointer(bucket, key))) == pointer(bucket, key)


@pytest.mark.parametrize("name", [NOW, BEFORE])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " : ")])
def test_what_the_extended_clients_write_is_read(name: str, separators: tuple[str, str]) -> None:
    assert load_pointer(json.dumps([name, WHERE], separators=separators)) == pointer()
    assert load_pointer(f" \n{json.dumps([name, WHERE], indent=2)}") == pointer()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[",
        "[]",
        "text",
        json.dumps({NOW: WHERE, "b": 1}),
        json.dumps([NOW]),
        json.dumps([NOW, WHERE, 1]),
        json.dumps([NOW, [WHERE]]),
        json.dumps([NOW, {"s3BucketName": "b"}]),
        json.dumps([NOW, {"s3BucketName": "b", "s3Key": 1}]),
        json.dumps([NOW, {"s3BucketName": None, "s3Key": "k"}]),
        json.dumps([NOW, {"s3BucketName": "b", "s3Key": "\ud800"}]),
        json.dumps(["java.lang.Runtime", WHERE]),
        json.dumps([[NOW], WHERE]),
        json.dumps([NOW, {**WHERE, "x": "x" * 10_000}]),
        "[" * 8_000,
    ],
)
def test_nothing_else_is_a_pointer(body: str) -> None:
    assert load_pointer(body) is None


def test_the_size_goes_beside_the_pointer_and_the_rest_stays() -> None:
    attributes = {"tenant": {"DataType": "String", "StringValue": "7"}}
    message = OutgoingMessage(
        body="\u00e9" * 100, delay_seconds=5, message_group_id="g", message_attributes=attributes
    )

    small = pointing(message, pointer())

    assert json.loads(small.body) == [NOW, WHERE]
    assert small.message_attributes == {
        **attributes,
        "ExtendedPayloadSize": {"DataType": "Number", "StringValue": "200"},
    }
    assert (small.delay_seconds, small.message_group_id) == (5, "g")
    assert message.message_attributes == attributes


@pytest.mark.parametrize(
    ("bucket", "prefix", "key", "words"),
    [
        ("b", "", "k", None),
        ("b", "tasks/", "tasks/k", None),
        ("b", "tasks/", "tasks/a/b..c", None),
        (None, "", "k", "is not set here"),
        ("other", "", "k", "large_message_bucket is 'other'"),
        ("b", "tasks/", "k", "large_message_prefix is 'tasks/'"),
        ("b", "tasks/", "tasks/", "large_message_prefix"),
        ("b", "", "", "large_message_prefix"),
        ("b", "tasks/", "tasks/../secret", "'.' or '..'"),
        ("b", "tasks/", "tasks/./k", "'.' or '..'"),
    ],
)
def test_a_pointer_leads_nowhere_but_into_the_bucket_and_prefix(
    bucket: str | None, prefix: str, key: str, words: str | None
) -> None:
    problem = pointer_problem(pointer(key=key), bucket=bucket, prefix=prefix)

    assert problem is None if words is None else words in str(problem)


@pytest.mark.parametrize(
    ("receive_count", "seconds"), [(0, 5), (1, 5), (2, 10), (3, 20), (7, 300), (10_000, 300)]
)
def test_pauses_grow_with_the_receives(receive_count: int, seconds: int) -> None:
    assert pause_seconds(receive_count) == seconds
