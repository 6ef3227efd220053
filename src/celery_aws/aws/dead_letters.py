"""What is received of a dead-letter queue by who looks at it.

A receive like the broker's, that also asks where SQS moved a message from. Facts: ReceiveMessage in
the SQS API reference (DeadLetterQueueSourceArn, ApproximateFirstReceiveTimestamp).
"""

from collections.abc import Mapping
from typing import Any, Protocol

from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.aws.sqs import RECEIVED_ATTRIBUTES, moment_of, received_message
from celery_aws.core.buried_message import BuriedMessage
from celery_aws.names import QueueArn, QueueUrl

_SOURCE = "DeadLetterQueueSourceArn"
_FIRST_RECEIVED = "ApproximateFirstReceiveTimestamp"


class DeadLetterService(Protocol):
    """What is asked of a dead-letter queue. Each method is one request, and raises AwsError."""

    def look(
        self,
        url: QueueUrl,
        *,
        max_messages: int,
        wait_seconds: int,
        visibility_timeout_seconds: int,
    ) -> list[BuriedMessage]:
        """Receive up to 10 messages, which nobody else does meanwhile (ReceiveMessage)."""


class SqsDeadLetterService:
    """:class:`DeadLetterService` on boto3."""

    def __init__(self, access: Access) -> None:
        self.access = access

    def look(
        self,
        url: QueueUrl,
        *,
        max_messages: int,
        wait_seconds: int,
        visibility_timeout_seconds: int,
    ) -> list[BuriedMessage]:
        """Receive up to 10 messages."""
        with translated("sqs", "ReceiveMessage", url):
            answer = client_for("sqs", self.access).receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=max_messages,
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=visibility_timeout_seconds,
                MessageSystemAttributeNames=[*RECEIVED_ATTRIBUTES, _SOURCE, _FIRST_RECEIVED],
                MessageAttributeNames=["All"],
            )
        return [_buried(message) for message in answer.get("Messages", ())]


def _buried(message: Mapping[str, Any]) -> BuriedMessage:
    attributes = message.get("Attributes", {})
    source = attributes.get(_SOURCE)
    return BuriedMessage(
        message=received_message(message),
        source=None if source is None else QueueArn(source),
        first_received_at=moment_of(attributes.get(_FIRST_RECEIVED)),
    )
