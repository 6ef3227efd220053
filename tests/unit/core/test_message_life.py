import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from celery_aws.core.message_life import has_expired
from celery_aws.core.messages import ReceivedMessage
from celery_aws.names import ReceiptHandle

NOON = datetime(2099, 7, 1, 12, tzinfo=timezone.utc)
JUST_BEFORE = NOON + timedelta(seconds=2)
JUST_AFTER = NOON + timedelta(seconds=2, milliseconds=1)


def message(expiration: object = "2000", **given: Any) -> ReceivedMessage:
    headers = given.pop("headers", {})
    payload = {"body": "{}", "properties": {"expiration": expiration}, "headers": headers}
    parts: dict[str, Any] = {"sent_at": NOON, "body": json.dumps(payload), **given}
    return ReceivedMessage(message_id="1", receipt_handle=ReceiptHandle("r"), **parts)


def test_a_message_expires_so_long_after_it_was_sent() -> None:
    assert not has_expired(message(), JUST_BEFORE)
    assert has_expired(message(), JUST_AFTER)


def test_the_life_of_a_task_begins_with_its_eta() -> None:
    eta = NOON + timedelta(minutes=10)
    task = message(headers={"task": "t", "id": "1", "eta": eta.isoformat()})

    assert not has_expired(task, eta + timedelta(seconds=2))
    assert has_expired(task, eta + timedelta(seconds=3))


def test_an_eta_in_the_past_gives_no_more_time() -> None:
    task = message(headers={"task": "t", "id": "1", "eta": "2001-01-01T00:00:00Z"})

    assert not has_expired(task, JUST_BEFORE)
    assert has_expired(task, JUST_AFTER)


@pytest.mark.parametrize(
    "expiration", [None, "", "soon", "-5", "2.5", [], {}, True, "9" * 30, "\u00b2"]
)
def test_what_is_no_time_is_for_ever(expiration: object) -> None:
    assert not has_expired(message(expiration), NOON + timedelta(days=4))


def test_a_number_of_milliseconds_is_one_without_quotes_too() -> None:
    assert has_expired(message(2000), JUST_AFTER)


def test_nobody_knows_when_it_was_sent() -> None:
    assert not has_expired(message(sent_at=None), JUST_AFTER)


def test_what_cannot_be_read_is_not_looked_into() -> None:
    assert not has_expired(message(error=ValueError("gone from S3")), JUST_AFTER)


def test_what_is_no_virtual_message_is_for_ever() -> None:
    assert not has_expired(message(body="hello"), NOON + timedelta(days=4))
