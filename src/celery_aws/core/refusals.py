"""What SQS will refuse of a message, told before it is kept to be sent later.

SQS itself would say it when the message is moved, and nobody listens any more. Facts: SendMessage
and MessageAttributeValue in the SQS API reference.
"""

import re
from collections.abc import Mapping

from celery_aws.core.messages import OutgoingMessage
from celery_aws.limits import SQS_GROUP_ID_CHARACTERS, SQS_MESSAGE_ATTRIBUTES

_ILLEGAL_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IDENTIFIER = re.compile(r"[\x21-\x7e]+")


def refusal_of(message: OutgoingMessage) -> str | None:
    """Return why SQS will not take a message, or None; its size is looked at elsewhere."""
    identifiers = {
        "MessageGroupId": message.message_group_id,
        "MessageDeduplicationId": message.message_deduplication_id,
    }
    for name, identifier in identifiers.items():
        if identifier is not None and not _is_identifier(identifier):
            return (
                f"{name} {identifier!r} must have 1 to {SQS_GROUP_ID_CHARACTERS} letters, digits "
                "and punctuation"
            )
    attributes = message.message_attributes
    if len(attributes) > SQS_MESSAGE_ATTRIBUTES:
        return f"it has {len(attributes)} message attributes; SQS takes {SQS_MESSAGE_ATTRIBUTES}"
    wrong = next((name for name, value in attributes.items() if not _is_attribute(value)), None)
    return None if wrong is None else f"message attribute {wrong!r} has no type, or no valid value"


def is_attribute_text(text: object) -> bool:
    """Tell whether SQS takes a text as the value of a message attribute."""
    return isinstance(text, str) and text != "" and _ILLEGAL_CHARACTER.search(text) is None


def _is_identifier(text: object) -> bool:
    return (
        isinstance(text, str)
        and len(text) <= SQS_GROUP_ID_CHARACTERS
        and _IDENTIFIER.fullmatch(text) is not None
    )


def _is_attribute(value: object) -> bool:
    if not isinstance(value, Mapping) or not is_attribute_text(value.get("DataType")):
        return False
    if value.get("BinaryValue"):
        return True
    return is_attribute_text(value.get("StringValue"))
