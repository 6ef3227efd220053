import json
import logging
from typing import Any

import pytest

from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.outgoing import delay_of, outgoing_message
from celery_aws.names import QueueName

STANDARD = QueueName("celery")
FIFO = QueueName("celery.fifo")


def outgoing(queue: QueueName = STANDARD, **properties: Any) -> OutgoingMessage:
    message = {"body": "[]", "properties": {"delivery_info": {}, **properties}}
    return outgoing_message(message, queue=queue, new_deduplication_id=lambda: "new-id")


def test_a_plain_message_asks_for_nothing() -> None:
    message = outgoing()

    assert json.loads(message.body)["body"] == "[]"
    assert message == OutgoingMessage(body=message.body)


def test_message_attributes_go_beside_the_body_not_into_it() -> None:
    attributes = {"tenant": {"DataType": "String", "StringValue": "7"}}
    message = {"body": "[]", "properties": {"message_attributes": attributes}}

    sent = outgoing_message(message, queue=STANDARD, new_deduplication_id=lambda: "")

    assert sent.message_attributes == attributes
    assert "tenant" not in sent.body
    assert message["properties"] == {"message_attributes": attributes}


def test_what_is_no_property_of_amqp_and_cannot_be_written_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    message = outgoing(signal=object(), tenant="7")

    assert json.loads(message.body)["properties"] == {"delivery_info": {}, "tenant": "7"}
    assert "property 'signal' is not sent" in caplog.text


def test_a_property_of_amqp_that_cannot_be_written_is_an_error() -> None:
    with pytest.raises(TypeError):
        outgoing(correlation_id=object())


def test_a_standard_queue_takes_a_group_and_a_delay() -> None:
    message = outgoing(MessageGroupId="tenant-7", delay_seconds=5)

    assert (message.message_group_id, message.delay_seconds) == ("tenant-7", 5)
    assert message.message_deduplication_id is None


def test_a_fifo_queue_gets_a_group_and_a_deduplication_id() -> None:
    message = outgoing(FIFO)

    assert (message.message_group_id, message.message_deduplication_id) == ("default", "new-id")


def test_a_group_is_inherited_unless_one_is_named() -> None:
    message = {"body": "[]", "properties": {}}
    named = {"body": "[]", "properties": {"MessageGroupId": "named"}}

    def group(message: dict[str, Any], queue: QueueName) -> str | None:
        return outgoing_message(
            message, queue=queue, inherited_group="inherited", new_deduplication_id=lambda: "d"
        ).message_group_id

    for queue in (STANDARD, FIFO):
        assert (group(message, queue), group(named, queue)) == ("inherited", "named")


def test_a_task_is_deduplicated_by_its_id_unless_one_is_named() -> None:
    message = {"body": "[]", "headers": {"id": "task-id"}, "properties": {}}
    named = {**message, "properties": {"MessageDeduplicationId": "named"}}

    ids = [
        outgoing_message(
            each, queue=FIFO, new_deduplication_id=lambda: "new-id"
        ).message_deduplication_id
        for each in (message, named)
    ]

    assert ids == ["task-id", "named"]


def test_a_fifo_message_keeps_the_publishers_ids() -> None:
    message = outgoing(FIFO, MessageGroupId="g", MessageDeduplicationId="d")

    assert (message.message_group_id, message.message_deduplication_id) == ("g", "d")


def test_a_fifo_queue_takes_no_delay_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert outgoing(FIFO, delay_seconds=5).delay_seconds is None

    assert "delay of 5 s is ignored" in caplog.text


@pytest.mark.parametrize(
    ("properties", "seconds"),
    [
        ({}, None),
        ({"delay_seconds": None}, None),
        ({"delay_seconds": 0}, 0),
        ({"delay_seconds": "7"}, 7),
        ({"delay_seconds": 7.9}, 7),
        ({"DelaySeconds": 7}, 7),
        ({"delay_seconds": 1, "DelaySeconds": 2}, 1),
        ({"delay_seconds": 900}, 900),
    ],
)
def test_a_delay_in_either_spelling(
    properties: dict[str, Any], seconds: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert delay_of(properties) == seconds
    assert caplog.records == []


@pytest.mark.parametrize(
    ("value", "seconds", "words"),
    [
        (901, 900, "is cut to"),
        (-1, None, "is no delay"),
        ("soon", None, "is no delay"),
        (float("inf"), None, "is no delay"),
        (float("nan"), None, "is no delay"),
        ([], None, "is no delay"),
    ],
)
def test_a_delay_that_sqs_does_not_take_is_mended_with_a_warning(
    value: Any, seconds: int | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    assert delay_of({"delay_seconds": value}) == seconds
    assert words in caplog.text
