"""The items of the results table: what each stored thing looks like. Pure, no AWS.

The format is that of Celery's own DynamoDB backend (celery/backends/dynamodb.py), so that
both can share a table: ``id`` is the *repr* of the key's bytes, ``b'...'`` included, because
that is what stock writes; ``result`` is the encoded meta; ``timestamp`` and ``ttl`` are epoch
seconds; a chord counter has ``chord_count`` in place of ``result``. Of our own there is
``status``, the task's state in plain text, which lets one conditional write do what stock
does with a read and a write. An item without it was written by stock, or is no task's. A result
that does not fit into an item has an empty ``result``, which stock takes for none, and beside it
what :mod:`celery_aws.core.large_results` describes.
"""

from datetime import datetime

from celery import states

from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.config.results import WHERE
from celery_aws.core.attributes import Item, binary, number, number_of, text
from celery_aws.core.conditions import (
    Condition,
    Equals,
    LessThan,
    Missing,
    NotEquals,
    Present,
    all_of,
    any_of,
)
from celery_aws.core.large_results import PIECE_EXTRA_LIFE_SECONDS
from celery_aws.table.creation import TablePurpose

ID = "id"
RESULT = "result"
TIMESTAMP = "timestamp"
TTL = "ttl"
STATUS = "status"
CHORD_COUNT = "chord_count"
PIECE = "piece"

RESULTS_TABLE = TablePurpose(name="results table", ttl_attribute=TTL, where=WHERE)


def table_spec(*, read_capacity: int | None, write_capacity: int | None) -> TableSpec:
    """Return what a results table is made of; on demand unless both capacities are given."""
    return TableSpec(
        hash_key=KeyAttribute(name=ID),
        read_capacity=read_capacity,
        write_capacity=write_capacity,
    )


def key_item(key: bytes) -> Item:
    """Return the primary key of what Celery calls ``key``."""
    return id_item(repr(key))


def id_item(item_id: str) -> Item:
    """Return the primary key that has this ``id``."""
    return {ID: text(item_id)}


def result_item(
    key: bytes,
    payload: bytes,
    *,
    now: datetime,
    life_seconds: int | None,
    status: str | None = None,
) -> Item:
    """Return the item of a task's state, or of a group if there is no ``status``.

    Args:
        key: Celery's key.
        payload: the encoded meta.
        now: the time of the write.
        life_seconds: after this it counts as absent; None is for ever.
        status: the task's state.
    """
    item = {**key_item(key), RESULT: binary(payload), **_times(now, life_seconds)}
    return item if status is None else {**item, STATUS: text(status)}


def piece_item(
    piece_id: str, piece: bytes, *, now: datetime, head_life_seconds: int | None
) -> Item:
    """Return the item of a piece of a large result.

    Args:
        piece_id: from :func:`celery_aws.core.large_results.piece_ids`.
        piece: the bytes.
        now: the time of the write.
        head_life_seconds: life of its head, which it outlives a little; None is for ever.
    """
    life_seconds = (
        None if head_life_seconds is None else head_life_seconds + PIECE_EXTRA_LIFE_SECONDS
    )
    return {**id_item(piece_id), PIECE: binary(piece), **_times(now, life_seconds)}


def counter_item(key: bytes, *, now: datetime, life_seconds: int | None) -> Item:
    """Return the item of a chord whose header has not returned anything yet."""
    return {**key_item(key), CHORD_COUNT: number(0), **_times(now, life_seconds)}


def timestamp(now: datetime) -> Item:
    """Return the ``timestamp`` attribute: when an item was written."""
    return {TIMESTAMP: number(now.timestamp())}


def expiry(now: datetime, life_seconds: int | None) -> Item:
    """Return the ``ttl`` attribute, or nothing for what lives for ever."""
    if life_seconds is None:
        return {}
    return {TTL: number(int(now.timestamp()) + life_seconds)}


def is_expired(item: Item, now: datetime) -> bool:
    """Tell whether the item's time is over; DynamoDB may keep it for two more days."""
    ends = number_of(item, TTL)
    return ends is not None and ends < int(now.timestamp())


def may_be_replaced(now: datetime) -> Condition:
    """Return when a state may be written without a look at what is there.

    Over nothing, over a state of ours that is no success, and over what has expired.
    """
    return any_of(
        Missing(ID),
        all_of(Present(STATUS), NotEquals(STATUS, text(states.SUCCESS))),
        LessThan(TTL, number(int(now.timestamp()))),
    )


def may_be_copied_over(status: str | None, now: datetime) -> Condition:
    """Return when a copy may be written: over nothing, what has expired, and what is less far.

    Args:
        status: of the copy; None for what is no task's.
        now: the time of the write.
    """
    free = (Missing(ID), LessThan(TTL, number(int(now.timestamp()))))
    nearer = {states.SUCCESS} if status == states.SUCCESS else states.READY_STATES
    if status not in states.READY_STATES:
        return any_of(*free)
    others = [NotEquals(STATUS, text(each)) for each in sorted(nearer)]
    return any_of(*free, all_of(Present(STATUS), *others))


def is_still(seen: Item) -> Condition:
    """Return the condition that a stock item is the one that was ``seen``."""
    unchanged: Condition = Missing(TIMESTAMP)
    if TIMESTAMP in seen:
        unchanged = Equals(TIMESTAMP, seen[TIMESTAMP])
    return all_of(Missing(STATUS), unchanged)


def _times(now: datetime, life_seconds: int | None) -> Item:
    return {**timestamp(now), **expiry(now, life_seconds)}
