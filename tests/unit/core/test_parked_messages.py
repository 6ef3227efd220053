import pytest
from hypothesis import given

from celery_aws.core.large_messages import pointing
from celery_aws.core.messages import OutgoingMessage, S3Pointer
from celery_aws.core.parked_messages import (
    ATTRIBUTE,
    mark_again,
    mark_parked,
    maybe_sent_before,
    parked_task_id,
)
from celery_aws.limits import SQS_MESSAGE_ATTRIBUTES
from celery_aws.names import BucketName, ObjectKey
from tests.unit.core.scheduling import MESSAGES, TASK_IDS

POINTER = S3Pointer(bucket=BucketName("payloads"), key=ObjectKey("1"))


def with_attributes(count: int) -> OutgoingMessage:
    value = {"DataType": "String", "StringValue": "v"}
    return OutgoingMessage(
        body="b", message_attributes={f"a{number}": value for number in range(count)}
    )


@pytest.mark.parametrize("task_id", ["1", "first 1", "again again", "a b", "é" * 50, "x" * 3_000])
def test_the_mark_says_which_task_and_whether_it_was_sent_before(task_id: str) -> None:
    first = mark_parked(OutgoingMessage(body="b"), task_id)
    again = mark_again(first)

    for message, sent_before in ((first, False), (again, True), (mark_again(again), True)):
        assert parked_task_id(message.message_attributes) == task_id
        assert maybe_sent_before(message.message_attributes) is sent_before


@given(MESSAGES, TASK_IDS)
def test_marking_again_makes_nothing_larger(message: OutgoingMessage, task_id: str) -> None:
    marked = mark_parked(message, task_id)

    assert mark_again(marked).size_bytes == marked.size_bytes
    assert {**message.message_attributes, **marked.message_attributes} == dict(
        marked.message_attributes
    )


def test_what_has_no_mark_gets_none() -> None:
    message = OutgoingMessage(body="b")

    assert mark_again(message) == message
    assert mark_parked(message, "") == message
    assert parked_task_id({}) is None
    assert not maybe_sent_before({ATTRIBUTE: {"DataType": "Binary", "BinaryValue": b"again 1"}})


@pytest.mark.parametrize("count", range(SQS_MESSAGE_ATTRIBUTES + 1))
def test_a_mark_leaves_room_for_what_a_large_message_needs(count: int) -> None:
    marked = mark_parked(with_attributes(count), "id")

    pointed = len(pointing(marked, POINTER).message_attributes)
    assert pointed <= max(SQS_MESSAGE_ATTRIBUTES, count + 1)
    assert (ATTRIBUTE in marked.message_attributes) is (count <= SQS_MESSAGE_ATTRIBUTES - 2)


def test_what_is_parked_again_keeps_its_mark() -> None:
    again = mark_again(mark_parked(with_attributes(3), "id"))

    assert mark_parked(again, "id") == again
    assert mark_parked(again, "other") == again


@pytest.mark.parametrize("task_id", ["a\x00b", "\x1b[31m", "a\ud800", "\uffff"])
def test_an_id_that_sqs_takes_in_no_attribute_is_no_mark(task_id: str) -> None:
    assert mark_parked(OutgoingMessage(body="b"), task_id).message_attributes == {}
