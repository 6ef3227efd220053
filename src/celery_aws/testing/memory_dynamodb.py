"""DynamoDB in memory, for tests: behaves as AWS where the emulators are more lenient.

It does what :class:`~celery_aws.aws.dynamodb.TableService` promises and runs through the same
contract suite as the boto3 one. What a test wants to provoke is an attribute or a method:
tables that take time to come up, keys left unprocessed, a request that fails. It never
removes expired items, as DynamoDB may not for two days.
"""

import threading
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from celery_aws.aws.dynamodb import BatchGot, BatchWritten, QueryPage
from celery_aws.aws.expressions import NOTHING
from celery_aws.aws.table_schema import TableDescription, TableSpec, TtlDescription
from celery_aws.clock import Clock, SystemClock
from celery_aws.core.attributes import (
    AttributeValue,
    Item,
    item_bytes,
    number,
    number_of,
    texts,
    texts_of,
)
from celery_aws.core.billing import read_units, write_units
from celery_aws.core.conditions import Condition, holds
from celery_aws.core.key_range import SortRange
from celery_aws.errors import (
    AlreadyExistsError,
    AwsError,
    ConditionFailedError,
    InvalidRequestError,
    TableKeyError,
    TableNotFoundError,
)
from celery_aws.limits import DYNAMODB_BATCH_GET_KEYS, DYNAMODB_BATCH_WRITE_ENTRIES
from celery_aws.names import TableName
from celery_aws.testing.memory_table import Key, MemoryTable, RefusedError, WrongKeyError


class MemoryTableService:
    """:class:`~celery_aws.aws.dynamodb.TableService` in memory; thread-safe.

    Args:
        clock: measures how long a table is being created.

    Attributes:
        requests: how often each operation was asked for, failures included.
        write_units: what the writes so far cost, those whose condition failed included.
        read_units: what the reads so far cost.
        creation_seconds: how long a new table takes to become active.
        batch_answers: how many keys each of the next BatchGetItem answers at most; the rest
            comes back as unprocessed. Once used up, all keys are answered.
        batch_writes: how many entries each of the next BatchWriteItem writes at most, puts first;
            the rest comes back as unprocessed. Once used up, all entries are written.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.requests: Counter[str] = Counter()
        self.write_units = 0
        self.read_units = 0.0
        self.creation_seconds = 0.0
        self.batch_answers: deque[int] = deque()
        self.batch_writes: deque[int] = deque()
        self._clock: Clock = SystemClock() if clock is None else clock
        self._tables: dict[TableName, MemoryTable] = {}
        self._failures: dict[str, deque[AwsError]] = {}
        self._lock = threading.RLock()

    def fail_next(self, operation: str, error: AwsError) -> None:
        """Let the next request of ``operation`` raise ``error``; may be called repeatedly."""
        self._failures.setdefault(operation, deque()).append(error)

    def items(self, table: TableName) -> list[Item]:
        """Return every stored item, expired ones too; not a request."""
        with self._lock:
            return self._tables[table].items()

    def put_item(
        self, table: TableName, item: Item, *, condition: Condition | None = None
    ) -> Item | None:
        """Write an item."""
        with self._request("PutItem", table) as found:
            new = found.storable(item)
            old = found.find(found.key_in(new))
            self._pay_write(old, new)
            _check(condition, old, table, "PutItem")
            found.store(new)
            return old or None

    def get_item(
        self,
        table: TableName,
        key: Item,
        *,
        consistent: bool,
    ) -> Item | None:
        """Return an item, or None."""
        with self._request("GetItem", table) as found:
            item = found.find(found.key(key))
            self._pay_read(item, consistent=consistent)
            return item or None

    def delete_item(
        self, table: TableName, key: Item, *, condition: Condition | None = None
    ) -> Item | None:
        """Delete an item."""
        with self._request("DeleteItem", table) as found:
            place = found.key(key)
            old = found.find(place)
            self._pay_write(old)
            _check(condition, old, table, "DeleteItem")
            found.remove(place)
            return old or None

    def update_item(
        self,
        table: TableName,
        key: Item,
        *,
        add: Mapping[str, int],
        put: Mapping[str, AttributeValue],
        include: Mapping[str, Collection[str]] = NOTHING,
        condition: Condition | None = None,
    ) -> Item:
        """Change an item."""
        with self._request("UpdateItem", table) as found:
            old = found.find(found.key(key))
            sums = {name: number((number_of(old, name) or 0) + n) for name, n in add.items()}
            sets = {name: texts(texts_of(old, name) | set(new)) for name, new in include.items()}
            new: Item = {**old, **key, **put, **sums, **sets}
            self._pay_write(old, new)
            _check(condition, old, table, "UpdateItem")
            new = found.storable(new)
            found.store(new)
            return dict(new)

    def batch_get(
        self,
        table: TableName,
        keys: Sequence[Item],
        *,
        consistent: bool,
    ) -> BatchGot:
        """Return up to 100 items."""
        with self._request("BatchGetItem", table) as found:
            places = [found.key(key) for key in keys]
            _check_batch(places, DYNAMODB_BATCH_GET_KEYS)
            answered = self.batch_answers.popleft() if self.batch_answers else len(keys)
            read = [found.find(place) for place in places[:answered]]
            for item in read:
                self._pay_read(item, consistent=consistent)
            return BatchGot(
                items=[item for item in read if item], unprocessed_keys=list(keys[answered:])
            )

    def write_batch(
        self, table: TableName, *, puts: Sequence[Item] = (), deletes: Sequence[Item] = ()
    ) -> BatchWritten:
        """Put items and delete keys."""
        with self._request("BatchWriteItem", table) as found:
            new = [found.storable(item) for item in puts]
            places = [*map(found.key_in, new), *map(found.key, deletes)]
            _check_batch(places, DYNAMODB_BATCH_WRITE_ENTRIES)
            written = self.batch_writes.popleft() if self.batch_writes else len(places)
            for item in new[:written]:
                self._pay_write(found.find(found.key_in(item)), item)
                found.store(item)
            deleted = max(0, written - len(new))
            for place in places[len(new) :][:deleted]:
                self._pay_write(found.find(place))
                found.remove(place)
            return BatchWritten(
                unprocessed_puts=list(puts[written:]),
                unprocessed_deletes=list(deletes[deleted:]),
            )

    def query(
        self,
        table: TableName,
        *,
        partition: tuple[str, AttributeValue],
        sort: SortRange | None = None,
        consistent: bool,
        limit: int | None = None,
        start_after: Item | None = None,
        attributes: Sequence[str] = (),
        count_only: bool = False,
    ) -> QueryPage:
        """Return one page of a partition's items."""
        with self._request("Query", table) as found:
            if count_only and attributes:
                raise RefusedError("a ProjectionExpression, to get only the Count")
            read, last_key = found.page(partition, sort, limit=limit, start_after=start_after)
            self._pay_read(*read, consistent=consistent)
            return QueryPage(
                items=[] if count_only else [_projected(item, attributes) for item in read],
                count=len(read),
                last_key=last_key,
            )

    def scan(
        self,
        table: TableName,
        *,
        segment: int = 0,
        segments: int = 1,
        start_after: Item | None = None,
        attributes: Sequence[str] = (),
    ) -> QueryPage:
        """Return one page of all items."""
        with self._request("Scan", table) as found:
            read, last_key = found.scan_page(segment, segments, start_after=start_after)
            self._pay_read(*read, consistent=True)
            return QueryPage(
                items=[_projected(item, attributes) for item in read],
                count=len(read),
                last_key=last_key,
            )

    def describe_table(self, table: TableName) -> TableDescription:
        """Return what kind of table it is."""
        with self._request("DescribeTable", table, active=False) as found:
            return TableDescription(
                status="ACTIVE" if self._is_active(found) else "CREATING",
                key=found.spec.key,
                on_demand=found.spec.on_demand,
            )

    def create_table(self, table: TableName, spec: TableSpec) -> None:
        """Ask for a table."""
        with self._lock:
            self._begin("CreateTable")
            if table in self._tables:
                raise AlreadyExistsError("the table already exists", **_facts("CreateTable", table))
            active_at = self._clock.monotonic() + self.creation_seconds
            self._tables[table] = MemoryTable(spec=spec, active_at=active_at)

    def describe_ttl(self, table: TableName) -> TtlDescription:
        """Return whether and by what items expire."""
        with self._request("DescribeTimeToLive", table, active=False) as found:
            status = "DISABLED" if found.ttl_attribute is None else "ENABLED"
            return TtlDescription(status=status, attribute=found.ttl_attribute)

    def enable_ttl(self, table: TableName, attribute: str) -> None:
        """Let items expire by ``attribute``."""
        with self._request("UpdateTimeToLive", table) as found:
            if found.ttl_attribute is not None:
                raise RefusedError("TimeToLive is already enabled")
            found.ttl_attribute = attribute

    def enable_recovery(self, table: TableName) -> None:
        """Switch point-in-time recovery on."""
        with self._request("UpdateContinuousBackups", table) as found:
            found.recovery = True

    def spec(self, table: TableName) -> TableSpec:
        """Return what the table is by now, recovery included; not a request."""
        with self._lock:
            found = self._tables[table]
            return replace(found.spec, point_in_time_recovery=found.recovery)

    @contextmanager
    def _request(
        self, operation: str, table: TableName, *, active: bool = True
    ) -> Iterator[MemoryTable]:
        with self._lock:
            self._begin(operation)
            found = self._tables.get(table)
            # AWS answers for a table that is still being created as for none.
            if found is None or (active and not self._is_active(found)):
                raise TableNotFoundError("there is no such table", **_facts(operation, table))
            try:
                yield found
            except WrongKeyError as refused:
                raise TableKeyError(str(refused), **_facts(operation, table)) from None
            except RefusedError as refused:
                raise InvalidRequestError(str(refused), **_facts(operation, table)) from None

    def _begin(self, operation: str) -> None:
        self.requests[operation] += 1
        failures = self._failures.get(operation)
        if failures:
            raise failures.popleft()

    def _pay_write(self, *versions: Item) -> None:
        self.write_units += write_units(max(map(item_bytes, versions)))

    def _pay_read(self, *items: Item, consistent: bool) -> None:
        self.read_units += read_units(sum(map(item_bytes, items)), consistent=consistent)

    def _is_active(self, table: MemoryTable) -> bool:
        return self._clock.monotonic() >= table.active_at


def _check_batch(places: Sequence[Key], most: int) -> None:
    if not 1 <= len(places) <= most:
        raise RefusedError(f"1 to {most} entries, not {len(places)}")
    if len(set(places)) < len(places):
        raise RefusedError("the keys contain duplicates")


def _projected(item: Item, attributes: Sequence[str]) -> Item:
    if not attributes:
        return item
    return {name: item[name] for name in attributes if name in item}


def _check(condition: Condition | None, old: Item, table: TableName, operation: str) -> None:
    if condition is not None and not holds(condition, old):
        raise ConditionFailedError(
            "the conditional request failed", item=dict(old), **_facts(operation, table)
        )


def _facts(operation: str, table: TableName) -> dict[str, Any]:
    return {"service": "dynamodb", "operation": operation, "resource": table}
