"""Replies to control commands as items of the coordination table.

A reply is compressed, and cut into parts if it is larger than an item may be. All that one client
is told is in one partition, in no order: the clocks of its workers do not agree.

The form is public: golden files hold it, CHANGELOG.md tells of changes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kombu.utils.json import dumps

from celery_aws.core.attributes import Item, binary, binary_of, number, number_of, text_of
from celery_aws.core.envelope import checked_envelope
from celery_aws.core.packed_text import pack_text, read_json, unpack_text
from celery_aws.core.scheduled_items import PART_BYTES
from celery_aws.core.table_keys import SORT, TTL, id_in_key, key_item

MESSAGE = "message"
PART = "part"
PARTS = "parts"

#: How long a reply that nobody reads is kept: a client waits for a minute at most.
LIFE_SECONDS = 600


def reply_partition(oid: str) -> str:
    """Return the partition of what a client is told; ``oid`` is its reply queue's routing key."""
    return f"reply#{id_in_key(oid)}"


def reply_items(oid: str, reply_id: str, message: Mapping[str, Any], *, now: float) -> list[Item]:
    """Return the items of a reply.

    Args:
        oid: whose it is.
        reply_id: unique.
        message: the virtual message, its body encoded.
        now: epoch seconds.
    """
    packed = pack_text(str(dumps(message)))
    cuts = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
    return [
        {
            **key_item(reply_partition(oid), f"{reply_id}#{position:04}"),
            MESSAGE: binary(cut),
            PART: number(position),
            PARTS: number(len(cuts)),
            TTL: number(int(now) + LIFE_SECONDS),
        }
        for position, cut in enumerate(cuts)
    ]


def reply_messages(items: Iterable[Item]) -> tuple[list[Mapping[str, Any]], list[Item]]:
    """Return the replies that are complete, and the items that they are made of.

    Args:
        items: of one client, in any order, whatever is in them: nothing makes this raise.

    Returns:
        The virtual messages, and the items that need not be read again. Those of a reply that
        cannot be read are among them: nobody ever will.
    """
    by_reply: dict[str, list[Item]] = {}
    for item in items:
        by_reply.setdefault((text_of(item, SORT) or "").rpartition("#")[0], []).append(item)
    messages: list[Mapping[str, Any]] = []
    used: list[Item] = []
    for parts in by_reply.values():
        if len(parts) < (number_of(parts[0], PARTS) or 1):
            continue
        used += parts
        message = _message(parts)
        if message is not None:
            messages.append(message)
    return messages, used


def _message(parts: list[Item]) -> Mapping[str, Any] | None:
    ordered = sorted(parts, key=lambda part: number_of(part, PART) or 0)
    packed = b"".join(binary_of(part, MESSAGE) or b"" for part in ordered)
    try:
        return checked_envelope(read_json(unpack_text(packed)))
    except ValueError:
        return None
