import pytest

from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.outgoing_entries import Entry, may_be_accepted
from celery_aws.core.parked_messages import maybe_sent_before
from celery_aws.errors import (
    AwsError,
    ServiceFaultError,
    ThrottledError,
    UnreachableError,
)

BATCH = {"service": "sqs", "operation": "SendMessageBatch"}


def entry(*, delay_seconds: int | None = None, maybe_sent: bool = False) -> Entry:
    return Entry(
        task_id="7c5a",
        message=OutgoingMessage(body="[]", delay_seconds=delay_seconds),
        size_bytes=2,
        added_at=100.0,
        maybe_sent=maybe_sent,
    )


def test_a_message_goes_as_it_was_published() -> None:
    assert entry().outgoing(500.0) == OutgoingMessage(body="[]")


@pytest.mark.parametrize(
    ("delay_seconds", "now", "left"), [(10, 100.9, 10), (10, 104.2, 6), (10, 120.0, 0), (0, 110, 0)]
)
def test_a_delay_runs_from_the_publish(delay_seconds: int, now: float, left: int) -> None:
    assert entry(delay_seconds=delay_seconds).outgoing(now).delay_seconds == left


def test_what_may_be_a_second_copy_says_so() -> None:
    assert maybe_sent_before(entry(maybe_sent=True).outgoing(100.0).message_attributes)
    assert not maybe_sent_before(entry().outgoing(100.0).message_attributes)


@pytest.mark.parametrize(
    ("error", "maybe"),
    [
        (UnreachableError("", code="ReadTimeoutError", **BATCH), True),
        (UnreachableError("", code="ConnectionClosedError", **BATCH), True),
        (UnreachableError("", code="EndpointConnectionError", **BATCH), False),
        (UnreachableError("", code="ConnectTimeoutError", **BATCH), False),
        (UnreachableError("", code="ReadTimeoutError", operation="GetQueueUrl"), False),
        (ServiceFaultError("", **BATCH), True),
        (ThrottledError("", **BATCH), False),
        (AwsError("", **BATCH), False),
        (ValueError(), False),
    ],
)
def test_only_a_request_without_answer_leaves_it_open(error: Exception, maybe: bool) -> None:
    assert may_be_accepted(error) is maybe
