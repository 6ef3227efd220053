"""DynamoDB in memory, for tests: behaves as AWS where the emulators are more lenient.

It does what :class:`~celery_aws.aws.dynamodb.TableService` promises and runs through the same
contract suite as the boto3 one. What a test wants to provoke is an attribute or a method:
tables that take time to come up, keys left unprocessed, a request that fails. It never
removes expired items, as DynamoDB may not for two days.
"""

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from celery_aws.aws.dynamodb import BatchGot
from celery_aws.aws.table_schema import TableDescription, TableSpec, TtlDescription
from celery_aws.clock import Clock, SystemClock
from celery_aws.core.attributes import AttributeValue, Item, item_bytes, number, number_of
from celery_aws.core.conditions import Condition, holds
from celery_aws.errors import (
    AlreadyExistsError,
    AwsError,
    ConditionFailedError,
    InvalidRequestError,
    TableNotFoundError,
)
from celery_aws.limits import DYNAMODB_BATCH_GET_KEYS, DYNAMODB_ITEM_BYTES
from celery_aws.names import TableName

_Key = tuple[tuple[str, str, Any], ...]


@dataclass(kw_only=True)
class _Table:
    spec: TableSpec
    active_at: float
    ttl_attribute: str | None = None
    items: dict[_Key, dict[str, AttributeValue]] = field(default_factory=dict)


class MemoryTableService:
    """:class:`~celery_aws.aws.dynamodb.TableService` in memory; thread-safe.

    Args:
        clock: measures how long a table is being created.

    Attributes:
        requests: how often each operation was asked for, failures included.
        creation_seconds: how long a new table takes to become active.
        batch_answers: how many keys each of the next BatchGetItem answers at most; the rest
            comes back as unprocessed. Once used up, all keys are answered.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.requests: Counter[str] = Counter()
        self.creation_seconds = 0.0
        self.batch_answers: deque[int] = deque()
        self._clock: Clock = SystemClock() if clock is None else clock
        self._tables: dict[TableName, _Table] = {}
        self._failures: dict[str, deque[AwsError]] = {}
        self._lock = threading.RLock()

    def fail_next(self, operation: str, error: AwsError) -> None:
        """Let the next request of ``operation`` raise ``error``; may be called repeatedly."""
        self._failures.setdefault(operation, deque()).append(error)

    def items(self, table: TableName) -> list[Item]:
        """Return every stored item, expired ones too; not a request."""
        with self._lock:
            return [dict(item) for item in self._tables[table].items.values()]

    def put_item(self, table: TableName, item: Item, *, condition: Condition | None = None) -> None:
        """Write an item."""
        with self._request("PutItem", table) as found:
            key = _key_in(found, item, table, "PutItem")
            _check(condition, found.items.get(key, {}), table, "PutItem")
            found.items[key] = _stored(item, table, "PutItem")

    def get_item(
        self,
        table: TableName,
        key: Item,
        *,
        consistent: bool,  # noqa: ARG002 - one copy is always consistent
    ) -> Item | None:
        """Return an item, or None."""
        with self._request("GetItem", table) as found:
            item = found.items.get(_key(found, key, table, "GetItem"))
            return None if item is None else dict(item)

    def delete_item(
        self, table: TableName, key: Item, *, condition: Condition | None = None
    ) -> None:
        """Delete an item."""
        with self._request("DeleteItem", table) as found:
            place = _key(found, key, table, "DeleteItem")
            _check(condition, found.items.get(place, {}), table, "DeleteItem")
            found.items.pop(place, None)

    def update_item(
        self,
        table: TableName,
        key: Item,
        *,
        add: Mapping[str, int],
        put: Mapping[str, AttributeValue],
        condition: Condition | None = None,
    ) -> Item:
        """Add to numbers and set attributes."""
        with self._request("UpdateItem", table) as found:
            place = _key(found, key, table, "UpdateItem")
            old = found.items.get(place, {})
            _check(condition, old, table, "UpdateItem")
            sums = {name: number((number_of(old, name) or 0) + n) for name, n in add.items()}
            new = _stored({**old, **key, **put, **sums}, table, "UpdateItem")
            found.items[place] = new
            return dict(new)

    def batch_get(
        self,
        table: TableName,
        keys: Sequence[Item],
        *,
        consistent: bool,  # noqa: ARG002 - one copy is always consistent
    ) -> BatchGot:
        """Return up to 100 items."""
        with self._request("BatchGetItem", table) as found:
            places = [_key(found, key, table, "BatchGetItem") for key in keys]
            if not places or len(places) > DYNAMODB_BATCH_GET_KEYS:
                raise _invalid(f"1 to 100 keys, not {len(places)}", table, "BatchGetItem")
            if len(set(places)) < len(places):
                raise _invalid("the keys contain duplicates", table, "BatchGetItem")
            answered = self.batch_answers.popleft() if self.batch_answers else len(keys)
            return BatchGot(
                items=[dict(found.items[at]) for at in places[:answered] if at in found.items],
                unprocessed_keys=list(keys[answered:]),
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
            self._tables[table] = _Table(spec=spec, active_at=active_at)

    def describe_ttl(self, table: TableName) -> TtlDescription:
        """Return whether and by what items expire."""
        with self._request("DescribeTimeToLive", table, active=False) as found:
            status = "DISABLED" if found.ttl_attribute is None else "ENABLED"
            return TtlDescription(status=status, attribute=found.ttl_attribute)

    def enable_ttl(self, table: TableName, attribute: str) -> None:
        """Let items expire by ``attribute``."""
        with self._request("UpdateTimeToLive", table) as found:
            if found.ttl_attribute is not None:
                raise _invalid("TimeToLive is already enabled", table, "UpdateTimeToLive")
            found.ttl_attribute = attribute

    @contextmanager
    def _request(
        self, operation: str, table: TableName, *, active: bool = True
    ) -> Iterator[_Table]:
        with self._lock:
            self._begin(operation)
            found = self._tables.get(table)
            # AWS answers for a table that is still being created as for none.
            if found is None or (active and not self._is_active(found)):
                raise TableNotFoundError("there is no such table", **_facts(operation, table))
            yield found

    def _begin(self, operation: str) -> None:
        self.requests[operation] += 1
        failures = self._failures.get(operation)
        if failures:
            raise failures.popleft()

    def _is_active(self, table: _Table) -> bool:
        return self._clock.monotonic() >= table.active_at


def _key(table: _Table, key: Item, name: TableName, operation: str) -> _Key:
    if set(key) != {attribute.name for attribute in table.spec.key}:
        raise _invalid("the key does not match the schema", name, operation)
    return _key_in(table, key, name, operation)


def _key_in(table: _Table, item: Item, name: TableName, operation: str) -> _Key:
    parts = []
    for attribute in table.spec.key:
        content = item.get(attribute.name, {}).get(attribute.kind)
        if content is None or content in ("", b""):
            message = f"no {attribute.kind} in the key attribute {attribute.name!r}"
            raise _invalid(message, name, operation)
        parts.append((attribute.name, attribute.kind, content))
    return tuple(parts)


def _stored(item: Item, table: TableName, operation: str) -> dict[str, AttributeValue]:
    if item_bytes(item) > DYNAMODB_ITEM_BYTES:
        raise _invalid("item size has exceeded the maximum allowed size", table, operation)
    return {name: _canonical(value) for name, value in item.items()}


def _canonical(value: AttributeValue) -> AttributeValue:
    # DynamoDB keeps a number, not its spelling.
    return number(Decimal(value["N"]).normalize()) if "N" in value else dict(value)


def _check(condition: Condition | None, old: Item, table: TableName, operation: str) -> None:
    if condition is not None and not holds(condition, old):
        raise ConditionFailedError(
            "the conditional request failed", item=dict(old), **_facts(operation, table)
        )


def _invalid(message: str, table: TableName, operation: str) -> InvalidRequestError:
    return InvalidRequestError(message, **_facts(operation, table))


def _facts(operation: str, table: TableName) -> dict[str, Any]:
    return {"service": "dynamodb", "operation": operation, "resource": table}
