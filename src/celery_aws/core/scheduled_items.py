"""A parked task as items of the coordination table: the entry, and parts for a large message.

The message is compressed: that makes most tasks one write unit instead of two. What does not fit
into an item is cut into parts, which are written before the entry and deleted with it or after
it; so an entry whose parts are gone was sent before.

The form is public: golden files hold it, CHANGELOG.md tells of changes.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from celery_aws.core.attributes import Item, binary, binary_of, number, number_of, text, text_of
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.schedule import ScheduledTask, text_time, time_text
from celery_aws.core.table_keys import PARTITION, SORT, TTL, key_item
from celery_aws.names import AmqpQueue, QueueUrl

TASK_ID = "task_id"
TASK = "task"
DUE = "due"
QUEUE = "queue"
QUEUE_URL = "queue_url"
MESSAGE = "message"
PARTS = "parts"

#: What a list of tasks needs of them.
SUMMARY = (PARTITION, SORT, TASK_ID, TASK, DUE, QUEUE, QUEUE_URL)

#: Bytes of a message in one item; the rest of the 400 KB is for keys and attributes.
PART_BYTES = 350_000

#: Partition of the entries that a migration has claimed, to take them back to the old broker.
CLAIMED = "migration#claimed"

#: How long after its task is due a part may be removed. Who was killed before it had written the
#: entry, or removed the parts, leaves parts that nobody finds.
PART_LIFE_SECONDS = 400 * 86_400

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def entry_items(scheduled: ScheduledTask, key: Item) -> list[Item]:
    """Return the items of a task, in the order in which they are to be written.

    Args:
        scheduled: the task.
        key: of its entry.
    """
    packed = pack_message(scheduled.message)
    entry: dict[str, Any] = {
        **key,
        TASK_ID: text(scheduled.task_id),
        DUE: text(time_text(scheduled.due)),
        QUEUE: text(scheduled.queue),
        QUEUE_URL: text(scheduled.queue_url),
    }
    if scheduled.task:
        entry[TASK] = text(scheduled.task)
    if len(packed) <= PART_BYTES:
        return [{**entry, MESSAGE: binary(packed)}]
    cuts = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
    keys = _part_keys(key, len(cuts))
    ttl = number(int((scheduled.due - _EPOCH).total_seconds()) + PART_LIFE_SECONDS)
    parts: list[Item] = [
        {**part, MESSAGE: binary(cut), TTL: ttl} for part, cut in zip(keys, cuts, strict=True)
    ]
    return [*parts, {**entry, PARTS: number(len(cuts))}]


def part_keys(entry: Item) -> list[Item]:
    """Return the keys of the parts of an entry, none if its message is in the entry."""
    return _part_keys(entry, int(number_of(entry, PARTS) or 0))


def scheduled_task(entry: Item, parts: Sequence[Item] = ()) -> ScheduledTask:
    """Return the task of an entry and its parts.

    Args:
        entry: the entry.
        parts: in any order, if :func:`part_keys` names any.

    Raises:
        ValueError: it is not what :func:`entry_items` wrote, or parts are missing.
    """
    missing = int(number_of(entry, PARTS) or 0) - len(parts)
    if missing:
        raise ValueError(f"{missing} parts are missing")
    held = [entry] if not parts else sorted(parts, key=lambda part: text_of(part, SORT) or "")
    packed = b"".join(binary_of(each, MESSAGE) or b"" for each in held)
    return ScheduledTask(**summary_of(entry), message=unpack_message(packed))


def summary_of(entry: Item) -> dict[str, Any]:
    """Return what an entry says of its task, by the names of :class:`ScheduledTask`.

    Raises:
        ValueError: it is not what :func:`entry_items` wrote.
    """
    try:
        return {
            "task_id": entry[TASK_ID]["S"],
            "task": text_of(entry, TASK),
            "due": text_time(entry[DUE]["S"]),
            "send_after": send_after_of(entry),
            "queue": AmqpQueue(entry[QUEUE]["S"]),
            "queue_url": QueueUrl(entry[QUEUE_URL]["S"]),
        }
    except KeyError as error:
        raise ValueError(f"attribute {error} is missing") from error


def send_after_of(entry: Item) -> datetime:
    """Return when the task of an entry may go to SQS; its key says it."""
    return text_time((text_of(entry, SORT) or "").partition("#")[0])


def pack_message(message: OutgoingMessage) -> bytes:
    """Return a message, but for its delay, as compressed JSON."""
    fields: dict[str, Any] = {"body": message.body}
    if message.message_group_id is not None:
        fields["group"] = message.message_group_id
    if message.message_deduplication_id is not None:
        fields["deduplication"] = message.message_deduplication_id
    if message.message_attributes:
        fields["attributes"] = {
            name: _to_json(value) for name, value in message.message_attributes.items()
        }
    return zlib.compress(json.dumps(fields, separators=(",", ":")).encode())


def unpack_message(packed: bytes) -> OutgoingMessage:
    """Undo :func:`pack_message`.

    Raises:
        ValueError: it is something else, whatever that is.
    """
    try:
        fields = json.loads(zlib.decompress(packed))
        attributes = fields.get("attributes", {})
        message = OutgoingMessage(
            body=fields["body"],
            message_group_id=fields.get("group"),
            message_deduplication_id=fields.get("deduplication"),
            message_attributes={name: _from_json(value) for name, value in attributes.items()},
        )
    except (zlib.error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the message is unreadable: {type(error).__name__}") from error
    texts = (message.body, message.message_group_id or "", message.message_deduplication_id or "")
    if not all(isinstance(each, str) for each in texts):
        raise ValueError("the message is unreadable: a text is none")
    return message


def _part_keys(entry_key: Item, count: int) -> list[Item]:
    partition = f"part#{text_of(entry_key, PARTITION)}#{text_of(entry_key, SORT)}"
    return [key_item(partition, f"{position:04}") for position in range(count)]


def _to_json(attribute: Mapping[str, Any]) -> Mapping[str, Any]:
    content = attribute.get("BinaryValue")
    if content is None:
        return attribute
    return {**attribute, "BinaryValue": base64.b64encode(content).decode("ascii")}


def _from_json(attribute: Mapping[str, Any]) -> Mapping[str, Any]:
    content = attribute.get("BinaryValue")
    if content is None:
        return attribute
    return {**attribute, "BinaryValue": base64.b64decode(content, validate=True)}
