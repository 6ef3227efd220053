import pytest

from celery_aws.core.billing import billed_requests, message_units, read_units, write_units
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.names import ReceiptHandle


@pytest.mark.parametrize(
    ("payload_bytes", "requests"),
    [(0, 1), (1, 1), (65_536, 1), (65_537, 2), (131_072, 2), (1_048_576, 16)],
)
def test_a_begun_chunk_is_billed_as_a_whole_one(payload_bytes: int, requests: int) -> None:
    assert billed_requests(payload_bytes) == requests


@pytest.mark.parametrize(
    ("item_bytes", "units"), [(0, 1), (1, 1), (1_024, 1), (1_025, 2), (409_600, 400)]
)
def test_a_write_unit_is_one_kilobyte_begun(item_bytes: int, units: int) -> None:
    assert write_units(item_bytes) == units


@pytest.mark.parametrize(
    ("read_bytes", "units"), [(0, 1), (1, 1), (4_096, 1), (4_097, 2), (1_048_576, 256)]
)
def test_a_read_unit_is_four_kilobytes_begun_and_half_if_it_may_be_stale(
    read_bytes: int, units: int
) -> None:
    assert read_units(read_bytes, consistent=True) == units
    assert read_units(read_bytes, consistent=False) == units / 2


def test_the_messages_of_a_batch_are_one_payload() -> None:
    half = OutgoingMessage(body="x" * 32_768)
    assert message_units([half, half]) == 1
    assert message_units([half, half, OutgoingMessage(body="x")]) == 2


def test_attributes_count_and_text_counts_in_utf8() -> None:
    attributes = {"n": {"DataType": "String", "StringValue": "v"}}
    full = OutgoingMessage(body="x" * (65_536 - 8), message_attributes=attributes)
    assert message_units([full]) == 1
    assert message_units([OutgoingMessage(body="é" * 32_769)]) == 2


def test_a_receive_is_billed_by_what_it_brought() -> None:
    message = ReceivedMessage(
        message_id="1",
        body="x" * 65_536,
        receipt_handle=ReceiptHandle("r"),
        message_attributes={"n": {"DataType": "Binary", "BinaryValue": b"1"}},
    )
    assert message_units([]) == 1
    assert message_units([message]) == 2
