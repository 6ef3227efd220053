"""The mark of a message that goes to its eta in steps: a message attribute with the eta.

Whoever receives it sends it on. An attribute, because it is seen without reading the message,
whatever its form, and stays with one whose body is in S3. Where there is no room for it, the eta in
the message has to do.

The attribute is public: golden files hold it, CHANGELOG.md tells of changes.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from celery_aws.core.large_messages import POINTER_ATTRIBUTES
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.schedule import text_time, time_text
from celery_aws.limits import SQS_MESSAGE_ATTRIBUTES

ATTRIBUTE = "CeleryAwsDue"


def mark_hop(message: OutgoingMessage, due: datetime) -> OutgoingMessage:
    """Return a message with the mark; without, if there is no room for one more attribute."""
    attributes = {**message.message_attributes}
    room = SQS_MESSAGE_ATTRIBUTES
    if not attributes.keys() & set(POINTER_ATTRIBUTES):
        # Its body may have to go to S3 yet.
        room -= 1
    attributes[ATTRIBUTE] = {"DataType": "String", "StringValue": time_text(due)}
    return replace(message, message_attributes=attributes) if len(attributes) <= room else message


def unmark_hop(message: OutgoingMessage) -> OutgoingMessage:
    """Return a message without the mark: this step is its last."""
    attributes = {**message.message_attributes}
    attributes.pop(ATTRIBUTE, None)
    return replace(message, message_attributes=attributes)


def hop_due(attributes: Mapping[str, Mapping[str, Any]]) -> datetime | None:
    """Return the eta that the attributes of a message say, or None. Never raises."""
    try:
        return text_time(str(attributes[ATTRIBUTE]["StringValue"]))
    except (KeyError, ValueError):
        return None
