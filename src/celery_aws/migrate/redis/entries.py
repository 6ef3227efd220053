"""What one entry of kombu's in Redis says, and what a migration makes of it. Pure.

An entry is read by the standard library and written again as it was: a header that kombu would
make a date of stays the text that it is. Facts: kombu/transport/redis.py (``QoS.append``,
``Channel._do_restore_message``), kombu/transport/virtual/base.py (``basic_publish``).
"""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from celery_aws.core.envelope import checked_envelope
from celery_aws.core.priorities import HIGHEST_NUMBER, LOWEST_NUMBER
from celery_aws.migrate.messages import Carried, Message, Unreadable
from celery_aws.migrate.redis.layout import WaitingList
from celery_aws.names import AmqpQueue

_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")

#: In front of a claimed entry that has no tag of its own.
_LABEL = re.compile(rb"celery-aws/([0-9a-f]{32})/")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A claimed entry.

    Attributes:
        stored: its bytes in the list of claimed ones.
        waiting: the list that it was taken from.
    """

    stored: bytes
    waiting: WaitingList

    @property
    def raw(self) -> bytes:
        """Its bytes as they were in its queue."""
        label = _LABEL.match(self.stored)
        return self.stored[label.end() :] if label else self.stored

    @property
    def needs_label(self) -> bool:
        """Whether nothing in it tells it from another one with the same content."""
        return _LABEL.match(self.stored) is None and _tag_of(read_entry(self.raw)) is None

    def labelled(self) -> "Entry":
        """Return the same one with a label that no other entry has."""
        label = f"celery-aws/{uuid.uuid4().hex}/".encode()
        return Entry(stored=label + self.raw, waiting=self.waiting)

    def message(self, new: AmqpQueue) -> Message:
        """Return what it is.

        Args:
            new: the name of its queue in the target.
        """
        try:
            envelope = checked_envelope(_json(self.raw))
        except ValueError as error:
            queue = self.waiting.queue
            return Unreadable(key=self._key(None), queue=queue, raw=self.raw, reason=str(error))
        return Carried(
            key=self._key(envelope),
            queue=new,
            envelope=envelope,
            priority=_priority_of(envelope, self.waiting.step),
        )

    def _key(self, envelope: Mapping[str, Any] | None) -> str:
        label = _LABEL.match(self.stored)
        if label:
            return f"{self.waiting.queue}/{label[1].decode()}"
        # The task's id, too: somebody may push what he once saw in a queue, with another id.
        properties = (envelope or {}).get("properties") or {}
        headers = (envelope or {}).get("headers") or {}
        task = headers.get("id") or properties.get("correlation_id")
        return f"{self.waiting.queue}/{properties.get('delivery_tag')}/{task}"


@dataclass(frozen=True, kw_only=True)
class HeldEntry:
    """What a worker holds.

    Attributes:
        payload: the virtual message.
        exchange: that it was published to; may be empty.
        routing_key: that it was published with.
    """

    payload: Mapping[str, Any]
    exchange: str
    routing_key: str

    @property
    def priority(self) -> int:
        """Its priority, as kombu reads it."""
        return _priority_of(self.payload, LOWEST_NUMBER)

    def restored(self) -> bytes:
        """Return the entry that kombu would put back into the queue."""
        payload = json.loads(json.dumps(self.payload))
        if "headers" in payload and isinstance(payload["headers"], dict):
            payload["headers"]["redelivered"] = True
            information = (payload.get("properties") or {}).get("delivery_info")
            if isinstance(information, dict):
                information["redelivered"] = True
        return json.dumps(payload).encode()


def read_entry(raw: bytes) -> Mapping[str, Any] | None:
    """Return the envelope in an entry, or None if there is none."""
    try:
        return checked_envelope(_json(raw))
    except ValueError:
        return None


def read_held(value: bytes) -> HeldEntry | None:
    """Return what a worker holds, or None if nobody can read it.

    Args:
        value: of the hash of what workers hold.
    """
    try:
        payload, exchange, routing_key = _json(value)
        checked_envelope(payload)
    except (TypeError, ValueError):
        return None
    return HeldEntry(
        payload=payload, exchange=str(exchange or ""), routing_key=str(routing_key or "")
    )


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise ValueError("it is no text") from error


def _tag_of(envelope: Mapping[str, Any] | None) -> str | None:
    tag = (envelope or {}).get("properties", {}).get("delivery_tag")
    return tag if isinstance(tag, str) and _UUID.fullmatch(tag) else None


def _priority_of(envelope: Mapping[str, Any], step: int) -> int:
    """Return the priority that kombu reads in a message, or else that of its list."""
    try:
        number = int(envelope["properties"]["priority"])
    except (KeyError, OverflowError, TypeError, ValueError):
        return step
    return min(max(number, LOWEST_NUMBER), HIGHEST_NUMBER)
