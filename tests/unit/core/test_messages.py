from typing import Any

import pytest

from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.names import ReceiptHandle


@pytest.mark.parametrize(
    ("receive_count", "given_back_times", "redelivered"),
    [(1, 0, False), (2, 0, True), (2, 1, False), (3, 1, True)],
)
def test_a_second_receive_is_a_redelivery(
    receive_count: int, given_back_times: int, redelivered: bool
) -> None:
    message = ReceivedMessage(
        message_id="1", body="", receipt_handle=ReceiptHandle("h"), receive_count=receive_count
    )

    assert message.redelivered(given_back_times=given_back_times) is redelivered


@pytest.mark.parametrize("stored_body", [None, '{"body": "large", "properties": {}}'])
def test_what_the_sender_wrote_is_read_once(stored_body: str | None) -> None:
    message = ReceivedMessage(
        message_id="1",
        body='{"body": "small", "properties": {}}',
        receipt_handle=ReceiptHandle("handle"),
        stored_body=stored_body,
    )

    assert message.payload["body"] == ("small" if stored_body is None else "large")
    assert message.payload is message.payload


@pytest.mark.parametrize(("body", "size_bytes"), [("abc", 3), ("\u00e9", 2), ("", 0)])
def test_a_body_counts_by_its_bytes(body: str, size_bytes: int) -> None:
    assert OutgoingMessage(body=body).size_bytes == size_bytes


def test_names_types_and_values_of_attributes_count_too() -> None:
    attributes: dict[str, dict[str, Any]] = {
        "t\u00e9": {"DataType": "String", "StringValue": "\u00e9"},
        "b": {"DataType": "Binary", "BinaryValue": b"123"},
    }

    message = OutgoingMessage(body="x", message_attributes=attributes)

    assert message.size_bytes == 1 + (3 + 6 + 2) + (1 + 6 + 3)
