"""The mark of a message that was parked: a message attribute with the id of its task.

Who receives it knows that its task may have been revoked before any worker of today was started,
and whether it may have been sent before: the mover that sent it took over from one that had died,
or an answer of SQS had been lost. An attribute, because it is seen without reading the message,
whatever its form, and stays with one whose body is in S3.

The attribute is public: golden files hold it, CHANGELOG.md tells of changes.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.refusals import is_attribute_text
from celery_aws.limits import SQS_MESSAGE_ATTRIBUTES

ATTRIBUTE = "CeleryAwsParked"

# Of one length, so that marking a message again does not make it larger.
_FIRST = "first "
_AGAIN = "again "


def mark_parked(message: OutgoingMessage, task_id: str) -> OutgoingMessage:
    """Return a message with the mark; without, if SQS would not take it.

    One attribute is left free, for a message whose body has to go to S3. One that was parked before
    keeps its mark.
    """
    attributes = message.message_attributes
    has_room = len(attributes) < SQS_MESSAGE_ATTRIBUTES - 1
    if not has_room or not is_attribute_text(task_id) or parked_task_id(attributes) is not None:
        return message
    return _marked(message, _FIRST + task_id)


def mark_again(message: OutgoingMessage) -> OutgoingMessage:
    """Return a parked message that says it may have been sent before."""
    task_id = parked_task_id(message.message_attributes)
    return message if task_id is None else _marked(message, _AGAIN + task_id)


def mark_copy(message: OutgoingMessage, task_id: str) -> OutgoingMessage:
    """Return a message that says it may have been sent before; as it is, if SQS would not take it.

    It need not have been parked; whoever receives it takes it for one that was.
    """
    return mark_again(mark_parked(message, task_id))


def parked_task_id(attributes: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the task id of a message that was parked, by its attributes, else None."""
    mark = str(attributes.get(ATTRIBUTE, {}).get("StringValue", ""))
    return mark[len(_FIRST) :] if mark.startswith((_FIRST, _AGAIN)) else None


def maybe_sent_before(attributes: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether a message says that it may have been sent before."""
    return str(attributes.get(ATTRIBUTE, {}).get("StringValue", "")).startswith(_AGAIN)


def _marked(message: OutgoingMessage, mark: str) -> OutgoingMessage:
    attribute = {"DataType": "String", "StringValue": mark}
    return replace(message, message_attributes={**message.message_attributes, ATTRIBUTE: attribute})
