from celery_aws.broker.message import SqsMessage
from tests.unit.broker.conftest import Bench, message_of


def test_a_message_carries_its_receipt_beside_its_properties(bench: Bench) -> None:
    (receipt,) = bench.receive(1)

    message = message_of(receipt, "tag")

    assert message.receipt is receipt
    assert "receipt" not in str(message.properties)
    assert (message.body, message.delivery_tag, message.errors) == (b"[]", "tag", [])


def test_a_body_that_cannot_be_decoded_is_kept_with_its_error() -> None:
    properties = {"delivery_tag": "1", "delivery_info": {}, "body_encoding": "rot13"}

    message = SqsMessage({"body": "uryyb", "properties": properties})

    assert message.body == "uryyb"
    assert "rot13" in str(message.errors[0][1])


def test_a_message_without_a_body_is_empty() -> None:
    message = SqsMessage({"body": None, "properties": {"delivery_tag": "1", "delivery_info": {}}})

    assert message.body == b""
