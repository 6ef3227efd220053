import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.refusals import refusal_of

GROUPS = ["g", "a" * 128, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "group-1"]
NO_GROUPS = ["", "a b", "a" * 129, "é", "a\n"]


@pytest.mark.parametrize("identifier", GROUPS)
def test_what_sqs_takes_is_not_refused(identifier: str) -> None:
    message = OutgoingMessage(
        body="b", message_group_id=identifier, message_deduplication_id=identifier
    )

    assert refusal_of(message) is None


@pytest.mark.parametrize("identifier", NO_GROUPS)
def test_identifiers_that_sqs_does_not_take(identifier: str) -> None:
    group = OutgoingMessage(body="b", message_group_id=identifier)
    deduplication = OutgoingMessage(body="b", message_deduplication_id=identifier)

    assert "MessageGroupId" in str(refusal_of(group))
    assert "MessageDeduplicationId" in str(refusal_of(deduplication))


def with_attributes(count: int) -> OutgoingMessage:
    value = {"DataType": "String", "StringValue": "v"}
    return OutgoingMessage(
        body="b", message_attributes={f"a{number}": value for number in range(count)}
    )


def test_more_attributes_than_sqs_takes() -> None:
    assert refusal_of(with_attributes(10)) is None
    assert "11 message attributes" in str(refusal_of(with_attributes(11)))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"DataType": "String"},
        {"DataType": "String", "StringValue": ""},
        {"DataType": "String", "StringValue": "a\x00"},
        {"DataType": "Number", "StringValue": 5},
        {"DataType": "Binary", "BinaryValue": b""},
        {"StringValue": "v"},
        "v",
    ],
)
def test_attributes_that_sqs_does_not_take(value: object) -> None:
    message = OutgoingMessage(body="b", message_attributes={"a": value})  # type: ignore[dict-item]

    assert "message attribute 'a'" in str(refusal_of(message))


@pytest.mark.parametrize(
    "value",
    [
        {"DataType": "String", "StringValue": "v"},
        {"DataType": "String.custom", "StringValue": "v\n"},
        {"DataType": "Number", "StringValue": "5"},
        {"DataType": "Binary", "BinaryValue": b"\x00"},
    ],
)
def test_attributes_that_sqs_takes(value: dict[str, object]) -> None:
    assert refusal_of(OutgoingMessage(body="b", message_attributes={"a": value})) is None


@given(st.text())
def test_refusing_never_raises(text: str) -> None:
    refusal_of(OutgoingMessage(body=text, message_group_id=text))
