"""What a message of another broker is on SQS, and the other way round; pure.

Facts: kombu/transport/virtual/base.py (``Message``: how a body is decoded), kombu/serialization.py
(``loads``: a text is taken as it is, bytes by the content encoding), celery/worker/request.py
(``delivery_info``: what a retry is published by).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from celery_aws.core.compression import HEADER as COMPRESSION
from celery_aws.core.envelope import TEXT, decode_body, encode_body, load_envelope
from celery_aws.core.priorities import HIGHEST_NUMBER, LOWEST_NUMBER, step_number
from celery_aws.core.task_eta import TaskTiming, task_timing
from celery_aws.migrate.messages import Carried, Message, Unreadable
from celery_aws.names import AmqpQueue


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A message as our own publisher would hand it on.

    Attributes:
        envelope: the virtual message, its body encoded once.
        timing: what it says of its task; None if it is none.
        priority: its number here; None if it has none.
    """

    envelope: dict[str, Any]
    timing: TaskTiming | None
    priority: int | None


def prepared(message: Carried, *, highest_number: int) -> Prepared:
    """Return what goes to SQS for a message.

    Args:
        message: as its source has it.
        highest_number: of the priority that comes first here: 0 or 9.

    Raises:
        ValueError: its body is not written as it says.
    """
    envelope = dict(message.envelope)
    properties = dict(envelope.get("properties") or {})
    body = decode_body(envelope.get("body") or "", properties.get("body_encoding"))
    # Before the body is encoded: of protocol 1 it says when the task is due.
    timing = task_timing({**envelope, "body": body})
    envelope["body"], properties["body_encoding"] = encode_body(_as_text(body, envelope))
    priority = number_of_priority(message.priority, highest_number=highest_number)
    if priority is not None and "priority" in properties:
        properties["priority"] = priority
    properties["delivery_info"] = delivery_info(properties, message)
    envelope["properties"] = properties
    return Prepared(envelope=envelope, timing=timing, priority=priority)


def number_of_priority(priority: int | None, *, highest_number: int) -> int | None:
    """Return the number of a priority where another number comes first; the same way back.

    Args:
        priority: 0 is first; None is none.
        highest_number: the one that comes first there: 0 or 9.
    """
    if priority is None or highest_number == LOWEST_NUMBER:
        return priority
    return HIGHEST_NUMBER - priority


def delivery_info(properties: Mapping[str, Any], message: Carried) -> dict[str, Any]:
    """Return by what retries of a task are published.

    Without an exchange the routing key is the name of the queue: the new one, if it has another.
    """
    info = dict(properties.get("delivery_info") or {})
    if not info.get("exchange") and "routing_key" in info:
        info["routing_key"] = message.queue
    return info


def _as_text(body: str | bytes, envelope: Mapping[str, Any]) -> str | bytes:
    """Return bytes that are a text as text, which needs no base64; what workers decode is equal."""
    if isinstance(body, str) or (envelope.get("headers") or {}).get(COMPRESSION):
        return body
    if str(envelope.get("content-encoding")).lower() != TEXT:
        return body
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def carried(
    body: str, *, key: str, queue: AmqpQueue, step: AmqpQueue, highest_number: int
) -> Message:
    """Return what another broker gets for a message of SQS.

    Args:
        body: what its sender wrote.
        key: of the message.
        queue: Celery's name of its queue on the other side.
        step: its queue here, the step of its priority included.
        highest_number: of the priority that comes first here: 0 or 9.
    """
    envelope = load_envelope(body)
    if "content-type" not in envelope:
        reason = "it is no message of Celery's or kombu's"
        return Unreadable(key=key, queue=queue, raw=body.encode(), reason=reason)
    priority = number_of_priority(_priority(envelope, step), highest_number=highest_number)
    message = Carried(key=key, queue=queue, envelope=envelope, priority=priority)
    properties = {**envelope["properties"]}
    properties["delivery_info"] = delivery_info(properties, message)
    return replace(message, envelope={**envelope, "properties": properties})


def _priority(envelope: Mapping[str, Any], step: AmqpQueue) -> int | None:
    number = envelope["properties"].get("priority")
    if isinstance(number, int):
        return number
    return step_number(step) or None
