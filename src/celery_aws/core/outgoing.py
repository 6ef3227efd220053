"""What a publisher's properties mean to SQS: group, deduplication, delay, attributes.

Names and defaults are the stock transport's, in both its spellings. Facts:
kombu/transport/SQS/__init__.py ``_put`` and ``_resolve_delay_seconds``; SendMessage in the SQS
API reference; py-amqp's basic_message.py for which properties AMQP has.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from amqp.basic_message import Message
from kombu.utils.json import dumps

from celery_aws.core.deduplication import deduplication_id
from celery_aws.core.envelope import dump_envelope
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.core.queue_names import is_fifo
from celery_aws.limits import SQS_DELAY_SECONDS_MAX
from celery_aws.names import QueueName, QueueUrl

logger = logging.getLogger(__name__)

_AMQP_PROPERTIES = frozenset(name for name, _ in Message.PROPERTIES)

#: FIFO messages without a group share this one, as with the stock transport.
DEFAULT_GROUP = "default"


def outgoing_message(
    message: Mapping[str, Any],
    *,
    queue: QueueName,
    as_base64: bool = False,
    inherited_group: str | None = None,
    new_deduplication_id: Callable[[], str],
) -> OutgoingMessage:
    """Return the SendMessage for a virtual message.

    Args:
        message: the virtual message, its body encoded. Not changed.
        queue: the queue's name on AWS; a FIFO queue takes a group and no delay.
        as_base64: see :func:`celery_aws.core.envelope.dump_envelope`.
        inherited_group: group of a message that names none.
        new_deduplication_id: makes the id of a FIFO message that names neither one nor a task.

    Raises:
        TypeError: JSON cannot write it.
    """
    properties = dict(message.get("properties") or {})
    attributes = properties.pop("message_attributes", None) or {}
    try:
        body = dump_envelope({**message, "properties": properties}, as_base64=as_base64)
    except TypeError:
        properties = _writable(properties)
        body = dump_envelope({**message, "properties": properties}, as_base64=as_base64)
    delay_seconds = delay_of(properties)
    group = properties.get("MessageGroupId") or inherited_group
    if not is_fifo(queue):
        return OutgoingMessage(
            body=body,
            delay_seconds=delay_seconds,
            message_group_id=group,
            message_attributes=attributes,
        )
    if delay_seconds:
        logger.warning(
            "queue %s: a FIFO queue takes no delay of a single message; the delay of %s s is "
            "ignored",
            queue,
            delay_seconds,
        )
    return OutgoingMessage(
        body=body,
        message_group_id=group or DEFAULT_GROUP,
        message_deduplication_id=properties.get("MessageDeduplicationId")
        or deduplication_id(message.get("headers") or {})
        or new_deduplication_id(),
        message_attributes=attributes,
    )


def message_sent_on(message: ReceivedMessage, target: QueueUrl) -> OutgoingMessage:
    """Return the SendMessage that puts a received message somewhere else, as it came.

    Args:
        message: the message; its body is sent, and not what that points to.
        target: the queue that it goes to, which may be its own.
    """
    return OutgoingMessage(
        body=message.body,
        message_group_id=message.message_group_id,
        # The same at every try: a reply that was lost makes no second message. And not the one that
        # it came with, which its own queue may still know.
        message_deduplication_id=message.message_id if is_fifo(target) else None,
        message_attributes=message.message_attributes,
    )


def delay_of(properties: Mapping[str, Any]) -> int | None:
    """Return the delay in seconds that the properties ask for, or None.

    Above what SQS takes it is cut to that, with a warning; what is no delay is ignored with one.
    """
    for key in ("delay_seconds", "DelaySeconds"):
        value = properties.get(key)
        if value is None:
            continue
        try:
            seconds = int(value)
        except (TypeError, ValueError, OverflowError):
            seconds = -1
        if seconds < 0:
            logger.warning("%s=%r is no delay; the message is sent without one", key, value)
            return None
        if seconds > SQS_DELAY_SECONDS_MAX:
            logger.warning("%s=%r is cut to SQS's %s s", key, value, SQS_DELAY_SECONDS_MAX)
        return min(seconds, SQS_DELAY_SECONDS_MAX)
    return None


def _writable(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties without those that JSON cannot write, as far as AMQP has none such.

    kombu takes every keyword argument of a publisher for a property, and py-amqp leaves out what is
    none.
    """
    return {
        name: value
        for name, value in properties.items()
        if name in _AMQP_PROPERTIES or _is_writable(name, value)
    }


def _is_writable(name: str, value: object) -> bool:
    try:
        dumps(value)
    except TypeError as error:
        logger.warning("property %r is not sent, because AMQP has none such: %s", name, error)
        return False
    return True
