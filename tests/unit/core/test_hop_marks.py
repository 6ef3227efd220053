from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.hop_marks import hop_due, mark_hop, unmark_hop
from celery_aws.core.messages import OutgoingMessage

DUE = datetime(2026, 11, 22, 22, 31, 7, 5, tzinfo=timezone.utc)


def text(value: str) -> dict[str, Any]:
    return {"DataType": "String", "StringValue": value}


def message_with(count: int, **attributes: Any) -> OutgoingMessage:
    given = {f"a{number}": text("x") for number in range(count)}
    return OutgoingMessage(body="b", message_attributes={**given, **attributes})


def test_the_mark_is_public() -> None:
    attributes = mark_hop(message_with(0), DUE).message_attributes

    assert attributes == {"CeleryAwsDue": text("2026-11-22T22:31:07.000005Z")}


@given(st.datetimes(timezones=st.timezones()))
def test_the_mark_says_the_moment(due: datetime) -> None:
    try:
        utc = due.astimezone(timezone.utc)
    except OverflowError:
        return  # no eta of a task, which is in UTC

    assert hop_due(mark_hop(message_with(1), utc).message_attributes) == utc


def test_a_later_mark_is_the_one() -> None:
    later = DUE + timedelta(days=1)
    again = mark_hop(mark_hop(message_with(8), DUE), later)

    assert hop_due(again.message_attributes) == later
    assert len(again.message_attributes) == 9


@pytest.mark.parametrize(
    ("count", "attributes", "room"),
    [
        (8, {}, True),
        # The tenth is for a body that has to go to S3.
        (9, {}, False),
        (8, {"ExtendedPayloadSize": text("9")}, True),
        (9, {"ExtendedPayloadSize": text("9")}, False),
        (10, {}, False),
    ],
)
def test_sqs_takes_ten_attributes(count: int, attributes: dict[str, Any], room: bool) -> None:
    message = message_with(count, **attributes)

    marked = mark_hop(message, DUE)

    assert (marked != message) is room
    assert len(marked.message_attributes) <= 10


def test_the_mark_goes_and_others_stay() -> None:
    message = message_with(2)

    assert unmark_hop(mark_hop(message, DUE)) == message
    assert unmark_hop(message) == message


@pytest.mark.parametrize(
    "attribute", [{}, {"StringValue": "soon"}, {"DataType": "Binary", "BinaryValue": b"x"}]
)
def test_what_is_no_mark_is_no_eta(attribute: dict[str, Any]) -> None:
    assert hop_due({"CeleryAwsDue": attribute}) is None
    assert hop_due({}) is None
