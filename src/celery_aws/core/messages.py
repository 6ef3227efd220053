"""A message on its way into SQS and out of it, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from celery_aws.core.envelope import load_envelope
from celery_aws.names import BucketName, ObjectKey, ReceiptHandle


@dataclass(frozen=True, kw_only=True)
class S3Pointer:
    """Where in S3 the body of a large message is, or a large result."""

    bucket: BucketName
    key: ObjectKey

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, kw_only=True)
class OutgoingMessage:
    """One message as SendMessage takes it."""

    body: str
    delay_seconds: int | None = None
    message_group_id: str | None = None
    message_deduplication_id: str | None = None
    #: In SQS's own form: ``{"name": {"DataType": "String", "StringValue": "..."}}``.
    message_attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """What SQS counts and bills: the body, and names, types and values of the attributes."""
        return payload_bytes(self.body, self.message_attributes)


@dataclass(frozen=True, kw_only=True)
class ReceivedMessage:
    """One message as ReceiveMessage gave it, and what its body points to, if to anything."""

    message_id: str
    body: str
    receipt_handle: ReceiptHandle
    #: How often SQS handed it out, this time included; approximate on standard queues.
    receive_count: int = 1
    #: When SQS took it in; aware, UTC. None if it did not say.
    sent_at: datetime | None = None
    message_group_id: str | None = None
    #: In SQS's own form, as those of an :class:`OutgoingMessage`.
    message_attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Where the rest of it was read; goes when the message is deleted.
    pointer: S3Pointer | None = None
    #: What was read there.
    stored_body: str | None = None
    #: Why nothing could be read there, now or ever: the message cannot be decoded.
    error: Exception | None = None
    #: The id of its task, if that was revoked while it was parked.
    revoked_task_id: str | None = None

    @property
    def envelope(self) -> str:
        """What the sender wrote: the body, or what the body points to."""
        return self.body if self.stored_body is None else self.stored_body

    @cached_property
    def payload(self) -> dict[str, Any]:
        """The virtual message in the envelope: read once, in the thread that asks first."""
        return load_envelope(self.envelope)

    @property
    def size_bytes(self) -> int:
        """What SQS counts and bills: the body as it was received, and the attributes."""
        return payload_bytes(self.body, self.message_attributes)

    def redelivered(self, *, given_back_times: int = 0) -> bool:
        """Tell whether somebody had it before.

        Args:
            given_back_times: receives after which it was given back and nobody had seen it.
        """
        return self.receive_count - given_back_times > 1


def payload_bytes(body: str, attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Return what SQS counts of a message, in bytes: the body, and the attributes in its form."""
    if not attributes:
        return text_bytes(body)
    return text_bytes(body) + sum(
        text_bytes(name) + _attribute_bytes(attribute) for name, attribute in attributes.items()
    )


def text_bytes(text: str) -> int:
    """Return the size of ``text`` on its way to AWS, which is UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def _attribute_bytes(attribute: Mapping[str, Any]) -> int:
    texts = (attribute.get(key) or "" for key in ("DataType", "StringValue"))
    return sum(map(text_bytes, texts)) + len(attribute.get("BinaryValue") or b"")
