"""What is written and read without botocore's models, and what is left to them.

That it is written and read as botocore does is in test_same_bytes.py and test_wire.py.
"""

from types import MappingProxyType
from typing import Any

import pytest

from celery_aws.aws.wire.bodies import body_of, contents_of
from celery_aws.aws.wire.line import answer_of

TEXT = {"DataType": "String", "StringValue": "x"}
JSON = {"Content-Type": "application/x-amz-json-1.0"}


def sent(**members: Any) -> dict[str, Any]:
    return {"QueueUrl": "u", "MessageBody": "b", **members}


def test_bytes_are_written_in_base64() -> None:
    assert body_of({"Item": {"id": {"B": b"\x00\xff"}}}) == b'{"Item": {"id": {"B": "AP8="}}}'
    assert (
        body_of({"Item": {"id": {"B": bytearray(b"\x00")}}}) == b'{"Item": {"id": {"B": "AA=="}}}'
    )


@pytest.mark.parametrize(
    "parameters",
    [
        sent(MessageBody=1),
        sent(MessageGroupId=7),
        sent(MessageDeduplicationId=b"x"),
        sent(MessageAttributes={"a": {"DataType": "String"} | {"Other": "x"}}),
        sent(MessageAttributes={"a": {"DataType": "Binary", "BinaryValue": "text"}}),
        sent(MessageAttributes={"a": {"DataType": "Binary", "BinaryValue": bytearray(b"x")}}),
        sent(MessageAttributes={"a": {"StringValue": "x"}}),
        sent(MessageAttributes={"a": "x"}),
        sent(MessageAttributes={1: TEXT}),
        sent(MessageAttributes={"a": MappingProxyType(TEXT)}),
        sent(Entries=[sent(), sent(MessageGroupId=7)]),
        {"Item": {"id": {"B": object()}}},
    ],
)
def test_what_botocore_would_write_otherwise_or_refuse_is_left_to_it(
    parameters: dict[str, Any],
) -> None:
    assert body_of(parameters) is None


@pytest.mark.parametrize(
    ("status", "headers", "content"),
    [
        (400, JSON, b"{}"),
        (201, JSON, b"{}"),
        (200, {"Content-Type": "text/html"}, b"{}"),
        (200, {}, b"{}"),
        (200, JSON, b""),
        (200, JSON, b"{"),
        (200, JSON, b"[]"),
        (200, JSON, b"1"),
        (200, JSON, b"\xff"),
        (200, JSON, b'{"Messages": 1}'),
        (200, JSON, b'{"Messages": ["x"]}'),
        (200, {**JSON, "x-amz-crc32": "1"}, b"{}"),
        (200, {**JSON, "x-amz-crc32": "none"}, b"{}"),
    ],
)
def test_what_is_no_plain_success_is_left_to_botocore(
    status: int, headers: dict[str, str], content: bytes
) -> None:
    answer = answer_of("http://sqs.invalid/", status, headers, content)
    assert contents_of("ReceiveMessage", answer) is None


def test_a_checksum_that_fits() -> None:
    answer = answer_of("http://x.invalid/", 200, {**JSON, "x-amz-crc32": "2745614147"}, b"{}")
    assert contents_of("PutItem", answer) == {}
