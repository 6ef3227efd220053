"""The items of a chord in the results table: what each looks like. Pure, no AWS.

The root has the key of the counter of Celery's own backend (celery/backends/dynamodb.py), so that
one look tells who began a chord: ours has ``chord_format``, stock's has ``chord_count`` alone. A
shard has the root's key, ``.`` and its name; what a part returned, if its result is not stored as
any other, has the root's key, ``/`` and the part.
"""

from datetime import datetime

from celery_aws.core.attributes import (
    Item,
    number,
    number_of,
    text_of,
    texts_of,
)
from celery_aws.core.chords import Part, Root
from celery_aws.core.conditions import Condition, Equals, LessThan, Missing, Present, all_of, any_of
from celery_aws.results.items import CHORD_COUNT, TTL, expiry, key_item, timestamp

FORMAT = "chord_format"
SIZE = "chord_size"
ADDED = "chord_added"
PARTS = "parts"
CLAIM = "claim"
DONE = "done"
NESTED = "nested"
MOVING = "moving"
SHARD_PREFIX = "shard_"

#: The format that this package writes.
FORMAT_NUMBER = 1


def shard_key(key: bytes, shard: str) -> bytes:
    """Return the key of a shard of the chord with the key ``key``."""
    return key + b"." + shard.encode()


def part_key(key: bytes, part: Part) -> bytes:
    """Return the key under which what ``part`` returned is kept."""
    return key + b"/" + part.member.encode()


def count_attribute(shard: str) -> str:
    """Return the root's attribute for the count of ``shard``."""
    return SHARD_PREFIX + shard


def root_item(
    key: bytes, *, size: int | None, is_nested: bool, now: datetime, life_seconds: int | None
) -> Item:
    """Return the root of a chord that begins.

    Args:
        key: Celery's key of the chord.
        size: how many parts it has, if that is known.
        is_nested: the structure of its header is kept.
        now: the time.
        life_seconds: None is for ever.
    """
    item = {
        **key_item(key),
        FORMAT: number(FORMAT_NUMBER),
        **timestamp(now),
        **expiry(now, life_seconds),
    }
    if size is not None:
        item[SIZE] = number(size)
    if is_nested:
        item[NESTED] = number(1)
    return item


def moving_item(key: bytes, *, is_nested: bool, now: datetime, life_seconds: int | None) -> Item:
    """Return the root of a chord that is being moved here: without a size, it is never complete."""
    item = root_item(key, size=None, is_nested=is_nested, now=now, life_seconds=life_seconds)
    return {**item, MOVING: number(1)}


def done_item(key: bytes, root: Root, *, now: datetime, life_seconds: int) -> Item:
    """Return what a root becomes when its chord is finished.

    Args:
        key: Celery's key of the chord.
        root: as it was.
        now: the time.
        life_seconds: for how long copies of its parts may come.
    """
    item = root_item(
        key, size=root.size, is_nested=root.is_nested, now=now, life_seconds=life_seconds
    )
    return {**item, DONE: number(1)}


def root_of(item: Item) -> Root:
    """Return what a root item says."""
    size = number_of(item, SIZE)
    return Root(
        size=None if size is None else int(size),
        added=len(texts_of(item, ADDED)),
        parts=texts_of(item, PARTS),
        counts={
            name.removeprefix(SHARD_PREFIX): int(number_of(item, name) or 0)
            for name in item
            if name.startswith(SHARD_PREFIX)
        },
        claim=text_of(item, CLAIM),
        is_nested=NESTED in item,
    )


def is_done(item: Item) -> bool:
    """Tell whether the chord's body has been sent, or its error told."""
    return DONE in item


def is_moving(item: Item) -> bool:
    """Tell whether not all of a chord that is being moved is here yet."""
    return number_of(item, MOVING) == 1


def is_counter(item: Item) -> bool:
    """Tell whether Celery's own backend began the chord."""
    return CHORD_COUNT in item and FORMAT not in item


def is_ours(item: Item) -> bool:
    """Tell whether this package began the chord."""
    return FORMAT in item


def may_begin(now: datetime) -> Condition:
    """Return when a root may be written: over nothing, and over what is finished or expired."""
    over = LessThan(TTL, number(int(now.timestamp())))
    return any_of(Missing(FORMAT), Present(DONE), over)


def is_still_moving() -> Condition:
    """Return the condition that a chord that is being moved is not here yet."""
    return Equals(MOVING, number(1))


def is_open() -> Condition:
    """Return the condition that a root is ours, and the chord not finished."""
    return all_of(Present(FORMAT), Missing(DONE))


def is_news(shard: str, count: int) -> Condition:
    """Return the condition that the root is open and does not know of so many parts in a shard."""
    attribute = count_attribute(shard)
    unknown = any_of(Missing(attribute), LessThan(attribute, number(count)))
    return all_of(is_open(), unknown)
