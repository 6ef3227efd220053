"""A message of RabbitMQ as kombu's virtual message, and the other way round.

Properties keep their AMQP names, which are those of the virtual message. Priorities are turned
round: RabbitMQ's highest comes first, elsewhere 0 does. What the broker wrote into the headers is
left out. Facts: amqp/basic_message.py, amqp/serialization.py, kombu/transport/pyamqp.py.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import amqp
from kombu.utils.json import dumps

from celery_aws.core.envelope import BASE64, decode_body
from celery_aws.core.packed_text import read_json
from celery_aws.core.task_eta import task_timing
from celery_aws.migrate.amqp.frames import unread_properties
from celery_aws.migrate.messages import Carried, Message, Unreadable
from celery_aws.names import AmqpQueue

HIGHEST_PRIORITY = 9

#: What a message says once it was dead-lettered.
DEATHS = "x-death"

#: Headers of the broker's own; other names with x- may be the application's.
_BROKERS = frozenset({DEATHS, "x-delivery-count", "x-acquired-count"})
_BROKERS_PREFIXES = ("x-first-death-", "x-last-death-")

#: Properties that have a place of their own in a virtual message, or that the broker changes: a
#: message that was dead-lettered has no expiration any more.
_NO_IDENTITY = frozenset({"application_headers", "expiration"})

_PERSISTENT = 2

_PROPERTIES = (
    "delivery_mode",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a message was, and for which queue.

    Attributes:
        queue: the old name of its queue.
        new_queue: what that is called on the other side.
        exchange: that it went through.
        routing_key: without delay.
        has_priorities: RabbitMQ orders the queue by priority. If it does not, a message has none,
            whatever it says: kombu gives each the priority 0.
        due: when its delay ends; None if it was not delayed.
    """

    queue: AmqpQueue
    new_queue: AmqpQueue
    exchange: str
    routing_key: str
    has_priorities: bool = True
    due: datetime | None = None


def read_message(message: Any, place: Place) -> Message:
    """Return what a message of py-amqp says.

    Args:
        message: its body in bytes.
        place: where it was.
    """
    key = key_of(message, place.queue)
    envelope = _envelope(message, place)
    problem = _unread_problem(message) or _problem(envelope)
    if problem is not None:
        return Unreadable(key=key, queue=place.new_queue, raw=raw_message(message), reason=problem)
    return Carried(
        key=key,
        queue=place.new_queue,
        envelope=envelope,
        priority=_priority(message.properties.get("priority"), place.has_priorities),
    )


def key_of(message: Any, queue: AmqpQueue) -> str:
    """Return what tells a message from others, the same wherever it waits for its queue.

    RabbitMQ has no names for messages. Two that are the same in every byte have the same key, as
    tasks may be whose ids somebody chooses: :mod:`celery_aws.migrate.twins`.
    """
    properties = {k: v for k, v in message.properties.items() if k not in _NO_IDENTITY}
    identity = [queue, properties, _headers(message), *_unread(message)]
    digest = hashlib.sha256(repr(_ordered(identity)).encode("utf-8", "surrogatepass"))
    digest.update(_body(message))
    return digest.hexdigest()


def was_handed_out(message: Any) -> bool:
    """Tell whether somebody may have had it before.

    A claimed message that came back into a delay and went on from there counts as new there.
    """
    headers = message.properties.get("application_headers") or {}
    return bool(message.delivery_info.get("redelivered")) or DEATHS in headers


def raw_message(message: Any) -> bytes:
    """Return a message as it was, for a file: :func:`message_of_raw` reads it."""
    properties = unread_properties(message)
    if properties is None:
        properties = message._serialize_properties()  # noqa: SLF001 - the only writer
    raw = {
        "exchange": message.delivery_info.get("exchange"),
        "routing_key": message.delivery_info.get("routing_key"),
        "properties": _base64(properties),
        "body": _base64(_body(message)),
    }
    return json.dumps(raw).encode()


def message_of_raw(raw: bytes) -> Any:
    """Undo :func:`raw_message`.

    Raises:
        ValueError: it is something else.
    """
    parts = json.loads(raw)
    message = amqp.Message(base64.b64decode(parts["body"]))
    message._load_properties(  # noqa: SLF001 - the only reader
        amqp.Message.CLASS_ID, base64.b64decode(parts["properties"]), 0
    )
    message.delivery_info = {name: parts[name] for name in ("exchange", "routing_key")}
    return message


def amqp_message(carried: Carried, *, user: str | None = None) -> Any:
    """Return the message for RabbitMQ.

    Args:
        carried: from another broker.
        user: who publishes it; RabbitMQ takes no message in another user's name.

    Raises:
        ValueError: its body is not what it says.
    """
    envelope = carried.envelope
    properties = envelope.get("properties") or {}
    body = decode_body(envelope.get("body") or "", properties.get("body_encoding"))
    kept = {name: properties[name] for name in _PROPERTIES if properties.get(name) is not None}
    if kept.get("user_id") != user:
        kept.pop("user_id", None)
    # On SQS it was safe, whoever sent it; RabbitMQ would forget it when it ends.
    kept.setdefault("delivery_mode", _PERSISTENT)
    if "expiration" in kept:
        kept["expiration"] = str(kept["expiration"])
    return amqp.Message(
        body.encode() if isinstance(body, str) else body,
        content_type=envelope.get("content-type"),
        content_encoding=envelope.get("content-encoding"),
        application_headers=dict(envelope.get("headers") or {}),
        priority=None if carried.priority is None else _turned(carried.priority),
        **kept,
    )


def _envelope(message: Any, place: Place) -> dict[str, Any]:
    properties = {
        name: message.properties[name] for name in _PROPERTIES if name in message.properties
    }
    properties |= {
        "delivery_info": {"exchange": place.exchange, "routing_key": place.routing_key},
        "body_encoding": BASE64,
        "delivery_tag": str(uuid.uuid4()),
    }
    priority = _priority(message.properties.get("priority"), place.has_priorities)
    if priority is not None:
        properties["priority"] = priority
    return {
        "body": _base64(_body(message)),
        "headers": {**_headers(message), **_added_eta(message, place)},
        "properties": properties,
        "content-type": message.properties.get("content_type"),
        "content-encoding": message.properties.get("content_encoding"),
    }


def _headers(message: Any) -> dict[Any, Any]:
    headers = message.properties.get("application_headers") or {}
    return {name: value for name, value in headers.items() if not _is_brokers(name)}


def _is_brokers(name: object) -> bool:
    return isinstance(name, str) and (name in _BROKERS or name.startswith(_BROKERS_PREFIXES))


def _added_eta(message: Any, place: Place) -> Mapping[str, str]:
    """Return the eta of a message that waits, and that does not say itself until when."""
    if place.due is None:
        return {}
    virtual = {
        "headers": _headers(message),
        "body": _body(message),
        "content-type": message.properties.get("content_type"),
    }
    timing = task_timing(virtual)
    if timing is not None and timing.eta is not None:
        return {}
    return {"eta": place.due.isoformat()}


def _unread(message: Any) -> list[bytes]:
    properties = unread_properties(message)
    return [] if properties is None else [properties]


def _unread_problem(message: Any) -> str | None:
    if unread_properties(message) is None:
        return None
    return "its properties are not to be read: a time or a text of another form than AMQP's"


def _problem(envelope: Mapping[str, Any]) -> str | None:
    """Return why an envelope cannot be written as JSON and read again, if it cannot."""
    for name, value in (*envelope["headers"].items(), *envelope["properties"].items()):
        if not isinstance(name, str):
            return f"the name of the header {name!r} is no text"
        if not _survives(value):
            return f"JSON cannot keep the header {name!r}, of type {type(value).__name__}"
    return None


def _survives(value: Any) -> bool:
    if value is None or isinstance(value, str | int | float):
        return True
    try:
        text = dumps(value)
        return bool(dumps(read_json(text)) == text)
    except (TypeError, ValueError, RecursionError):
        return False


def _priority(given: int | None, has_priorities: bool) -> int | None:
    return _turned(given or 0) if has_priorities else None


def _turned(priority: int) -> int:
    return HIGHEST_PRIORITY - min(max(priority, 0), HIGHEST_PRIORITY)


def _body(message: Any) -> bytes:
    body = message.body
    return body.encode() if isinstance(body, str) else bytes(body)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _ordered(value: Any) -> Any:
    """Return a value whose repr does not depend on the order of tables."""
    if isinstance(value, dict):
        return sorted((repr(key), _ordered(inner)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return [_ordered(inner) for inner in value]
    return value
