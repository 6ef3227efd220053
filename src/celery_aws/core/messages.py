"""A message on its way into SQS and out of it, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from celery_aws.names import ReceiptHandle


@dataclass(frozen=True, kw_only=True)
class OutgoingMessage:
    """One message as SendMessage takes it."""

    body: str
    delay_seconds: int | None = None
    message_group_id: str | None = None
    message_deduplication_id: str | None = None
    #: In SQS's own form: ``{"name": {"DataType": "String", "StringValue": "..."}}``.
    message_attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReceivedMessage:
    """One message as ReceiveMessage gave it."""

    message_id: str
    body: str
    receipt_handle: ReceiptHandle
    #: How often SQS handed it out, this time included; approximate on standard queues.
    receive_count: int = 1
    message_group_id: str | None = None
    #: In SQS's own form, as those of an :class:`OutgoingMessage`.
    message_attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def redelivered(self) -> bool:
        """True if somebody received it before."""
        return self.receive_count > 1
