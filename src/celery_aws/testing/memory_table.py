"""One table of the in-memory double: its items by key, and what a query finds among them.

No lock, no clock and no count: :class:`~celery_aws.testing.memory_dynamodb.MemoryTableService`
has them. Facts: "Key condition expressions for the Query operation in DynamoDB" and "Paginating
table query results in DynamoDB" in the developer guide, the API reference, and the limits of
:mod:`celery_aws.limits`.
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from decimal import Decimal
from typing import Any
from zlib import crc32

from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.core.attributes import AttributeValue, Item, comparable, item_bytes, number
from celery_aws.core.key_range import SortRange
from celery_aws.limits import DYNAMODB_ITEM_BYTES, DYNAMODB_QUERY_BYTES

#: The comparable values of a primary key, the partition first.
Key = tuple[tuple[str, Any], ...]


class RefusedError(Exception):
    """DynamoDB does not accept the request."""


class WrongKeyError(RefusedError):
    """The table has another primary key than the request."""


class MemoryTable:
    """The items of one table.

    Attributes:
        spec: what it was created as.
        active_at: when it can be used, in seconds of the monotonic clock.
        ttl_attribute: by what its items would expire, or None.
        recovery: whether point-in-time recovery was switched on.
    """

    def __init__(self, *, spec: TableSpec, active_at: float) -> None:
        self.spec = spec
        self.active_at = active_at
        self.ttl_attribute: str | None = None
        self.recovery = False
        self._items: dict[Key, Item] = {}
        # The keys of each partition, in order: a query shall not look at every item.
        self._partitions: defaultdict[tuple[str, Any], list[Key]] = defaultdict(list)

    def items(self) -> list[Item]:
        """Return copies of all items."""
        return [dict(item) for item in self._items.values()]

    def find(self, key: Key) -> Item:
        """Return a copy of the item of this key; the empty item if there is none."""
        return dict(self._items.get(key, {}))

    def store(self, item: Item) -> None:
        """Keep ``item``, which :meth:`storable` returned, in place of whatever has its key."""
        key = self.key_in(item)
        if key not in self._items:
            insort(self._partitions[key[0]], key)
        self._items[key] = item

    def remove(self, key: Key) -> None:
        """Remove the item of this key, if there is one."""
        if self._items.pop(key, None) is not None:
            keys = self._partitions[key[0]]
            del keys[bisect_left(keys, key)]
            if not keys:
                del self._partitions[key[0]]

    def key(self, key: Item) -> Key:
        """Return the key that ``key``, which must be nothing else, names."""
        if set(key) != {attribute.name for attribute in self.spec.key}:
            raise WrongKeyError("the key does not match the schema")
        return self.key_in(key)

    def key_in(self, item: Item) -> Key:
        """Return the key of an item."""
        return tuple(
            _checked(attribute, item.get(attribute.name, {})) for attribute in self.spec.key
        )

    def storable(self, item: Item) -> Item:
        """Return ``item`` as it would be kept."""
        self.key_in(item)
        if item_bytes(item) > DYNAMODB_ITEM_BYTES:
            raise RefusedError("item size has exceeded the maximum allowed size")
        return {name: _canonical(value) for name, value in item.items()}

    def page(
        self,
        partition: tuple[str, AttributeValue],
        sort: SortRange | None,
        *,
        limit: int | None,
        start_after: Item | None,
    ) -> tuple[list[Item], Item | None]:
        """Return copies of what one Query reads, and the key of the last item if it stops there.

        It stops at ``limit`` items and before the item that does not fit into 1 MB.
        """
        if limit is not None and limit < 1:
            raise RefusedError("Limit must be at least 1")
        page: list[Item] = []
        room_bytes = DYNAMODB_QUERY_BYTES
        for key in self._keys(partition, sort, start_after):
            item = self.find(key)
            room_bytes -= item_bytes(item)
            if room_bytes < 0:
                return page, self._key_item(page[-1])
            page.append(item)
            if len(page) == limit:
                return page, self._key_item(item)
        return page, None

    def scan_page(
        self, segment: int, segments: int, *, start_after: Item | None
    ) -> tuple[list[Item], Item | None]:
        """Return copies of what one Scan reads, and the key of the last item if it stops there."""
        if not 0 <= segment < segments:
            raise RefusedError("the segment must be less than the number of segments")
        keys = [key for key in sorted(self._items) if _segment(key, segments) == segment]
        first = 0 if start_after is None else bisect_right(keys, self.key(start_after))
        page: list[Item] = []
        room_bytes = DYNAMODB_QUERY_BYTES
        for key in keys[first:]:
            item = self.find(key)
            room_bytes -= item_bytes(item)
            if room_bytes < 0:
                return page, self._key_item(page[-1])
            page.append(item)
        return page, None

    def _keys(
        self,
        partition: tuple[str, AttributeValue],
        sort: SortRange | None,
        start_after: Item | None,
    ) -> list[Key]:
        place = self._place(partition)
        bounds = self._bounds(sort)
        keys = self._partitions.get(place, [])
        first, end = 0, len(keys)
        if bounds[0] is not None:
            first = bisect_left(keys, (place, bounds[0]))
        if bounds[1] is not None:
            end = bisect_right(keys, (place, bounds[1]))
        if start_after is not None:
            start = self._start(start_after, place, sort)
            first = max(first, bisect_right(keys, start))
        return keys[first:end]

    def _place(self, partition: tuple[str, AttributeValue]) -> tuple[str, Any]:
        name, value = partition
        if name != self.spec.hash_key.name:
            raise WrongKeyError("Query condition missed key schema element")
        return _checked(self.spec.hash_key, value)

    def _bounds(self, sort: SortRange | None) -> tuple[tuple[str, Any] | None, ...]:
        if sort is None:
            return (None, None)
        attribute = self.spec.range_key
        if attribute is None or attribute.name != sort.attribute:
            raise RefusedError("Query key condition not supported")
        low, high = (
            None if bound is None else _checked(attribute, bound) for bound in (sort.low, sort.high)
        )
        if low is not None and high is not None and high < low:
            raise RefusedError("BETWEEN needs an upper bound that is not below the lower bound")
        return (low, high)

    def _start(self, start_after: Item, place: tuple[str, Any], sort: SortRange | None) -> Key:
        key = self.key(start_after)
        if key[0] != place:
            raise RefusedError("The provided starting key is outside query boundaries")
        if sort is not None and not sort.contains(start_after[sort.attribute]):
            raise RefusedError("The provided starting key does not match the range key predicate")
        return key

    def _key_item(self, item: Item) -> Item:
        return {attribute.name: item[attribute.name] for attribute in self.spec.key}


def _segment(key: Key, segments: int) -> int:
    return crc32(repr(key[0]).encode()) % segments


def _checked(attribute: KeyAttribute, value: AttributeValue) -> tuple[str, Any]:
    if attribute.kind not in value:
        raise WrongKeyError(f"no {attribute.kind} in the key attribute {attribute.name!r}")
    if value[attribute.kind] in ("", b""):
        raise RefusedError(f"the key attribute {attribute.name!r} is empty")
    return comparable(value)


def _canonical(value: AttributeValue) -> AttributeValue:
    # DynamoDB keeps a number, not its spelling.
    return number(Decimal(value["N"]).normalize()) if "N" in value else dict(value)
