import logging
from typing import Any

import pytest
from kombu.exceptions import ContentDisallowed, DecodeError

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


class Settlements:
    """A channel that notes what is asked of it."""

    no_ack_consumers = None

    def __init__(self) -> None:
        self.noted: list[tuple[str, bool]] = []

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        self.noted.append(("ack", multiple))

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        self.noted.append(("reject", requeue))


def message(body: str = "[]", *, content_type: str = "application/json", **more: Any) -> SqsMessage:
    properties = {"delivery_tag": "1", "delivery_info": {}, **more.pop("properties", {})}
    payload = {"body": body, "content-type": content_type, "content-encoding": "utf-8", **more}
    return SqsMessage({"properties": properties, **payload}, channel=Settlements())


def test_what_was_decoded_is_acknowledged() -> None:
    each = message()
    each.decode()

    each.ack_log_error(logging.getLogger(), ())

    assert (each.channel.noted, each.acknowledged) == ([("ack", False)], True)


class TestUndecodable:
    """Celery acknowledges it, which would delete it without a trace."""

    def acknowledged(self, each: SqsMessage) -> list[tuple[str, bool]]:
        assert each.undecodable
        each.ack_log_error(logging.getLogger(), ())
        assert each.acknowledged
        noted: list[tuple[str, bool]] = each.channel.noted
        return noted

    def test_a_body_of_an_unknown_encoding_is_rejected(self) -> None:
        each = message(properties={"body_encoding": "rot13"})

        assert self.acknowledged(each) == [("reject", False)]

    def test_a_body_that_does_not_decompress_is_rejected(self) -> None:
        each = message(headers={"compression": "application/x-gzip"})

        assert self.acknowledged(each) == [("reject", False)]

    def test_a_body_that_is_not_what_it_says_is_rejected(self) -> None:
        each = message("{")
        with pytest.raises(DecodeError):
            each.decode()

        assert self.acknowledged(each) == [("reject", False)]

    def test_a_type_that_is_not_accepted_is_rejected(self) -> None:
        each = message(content_type="application/x-python-serialize")
        each.accept = {"application/json"}
        with pytest.raises(ContentDisallowed):
            _ = each.payload

        assert self.acknowledged(each) == [("reject", False)]


def test_the_task_is_named_by_the_headers() -> None:
    assert message(headers={"task": "shop.mail"}).task == "shop.mail"
    assert message(headers={"task": ["shop.mail"]}).task is None
    assert message().task is None


def test_that_of_protocol_1_is_named_by_the_decoded_body() -> None:
    each = message('{"task": "shop.mail", "args": []}')
    assert each.task is None

    each.decode()

    assert each.task == "shop.mail"
