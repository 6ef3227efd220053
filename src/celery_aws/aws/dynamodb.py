"""DynamoDB as typed operations: what tables may be asked for, and what comes back.

:class:`TableService` is the seam: whoever keeps something in a table knows only this
Protocol, and tests run the in-memory double of ``celery_aws.testing`` through the same
contract suite. Items are in DynamoDB's typed JSON (:mod:`celery_aws.core.attributes`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from celery_aws.aws.access import Access
from celery_aws.aws.answers import member_of
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.aws.expressions import NOTHING, Expressions
from celery_aws.aws.table_schema import (
    TableDescription,
    TableSpec,
    TtlDescription,
    creation_parameters,
    described,
)
from celery_aws.aws.wire.wire import wire_for
from celery_aws.core.attributes import AttributeValue, Item
from celery_aws.core.conditions import Condition
from celery_aws.core.consumed_capacity import RETURN_CONSUMED_CAPACITY
from celery_aws.core.key_range import SortRange
from celery_aws.names import TableName

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class BatchGot:
    """The answer to one BatchGetItem."""

    items: list[Item] = field(default_factory=list)
    #: Keys that AWS left out, for throughput or for size; they have to be asked for again.
    unprocessed_keys: list[Item] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class BatchWritten:
    """The answer to one BatchWriteItem: what AWS left out, which has to be asked for again."""

    unprocessed_puts: list[Item] = field(default_factory=list)
    #: Keys.
    unprocessed_deletes: list[Item] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class QueryPage:
    """The answer to one Query or Scan."""

    #: In the order of their sort keys, those of a Scan in any; empty if only the count was asked
    #: for.
    items: list[Item] = field(default_factory=list)
    #: How many items were found on this page.
    count: int
    #: Where the next page starts after, or None if this one is the last. A page may have it
    #: although nothing follows, and may be empty although something does.
    last_key: Item | None = None


class TableService(Protocol):
    """What is asked of DynamoDB. Each method is one request, and raises :class:`AwsError`."""

    def put_item(
        self, table: TableName, item: Item, *, condition: Condition | None = None
    ) -> Item | None:
        """Write an item in place of whatever is there, and return that, or None (PutItem).

        Raises :class:`ConditionFailedError` with the stored item if ``condition`` is not met.
        """

    def get_item(self, table: TableName, key: Item, *, consistent: bool) -> Item | None:
        """Return an item, or None (GetItem). A consistent read costs twice the units."""

    def delete_item(
        self, table: TableName, key: Item, *, condition: Condition | None = None
    ) -> Item | None:
        """Delete an item, and return what it was, or None if it was not there (DeleteItem)."""

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
        """Change an item, and return all that it has now (UpdateItem).

        Args:
            table: where it is.
            key: a missing item is made.
            add: to numbers; a missing one counts from zero.
            put: attributes to set.
            include: strings that a set of strings shall have, the set being made if it is
                missing; those that it has already change nothing.
            condition: raises :class:`ConditionFailedError` with the stored item if it is not met.
        """

    def batch_get(self, table: TableName, keys: Sequence[Item], *, consistent: bool) -> BatchGot:
        """Return up to 100 items by their (distinct) keys, in any order (BatchGetItem)."""

    def write_batch(
        self, table: TableName, *, puts: Sequence[Item] = (), deletes: Sequence[Item] = ()
    ) -> BatchWritten:
        """Put items and delete keys, up to 25 together and no key twice (BatchWriteItem).

        It costs the units of as many single writes, has no conditions, and is not one write: a
        reader may see some of it. What AWS refuses, such as one item that is too large, it
        refuses as a whole. Raises :class:`~celery_aws.errors.ThrottledError` if nothing could be
        written for throughput.
        """

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
        """Return one page of a partition's items, in the order of their sort keys (Query).

        Args:
            table: where they are; expired items that DynamoDB still keeps are found too.
            partition: name and value of the partition key.
            sort: the sort keys wanted; None is all.
            consistent: see all writes so far; costs twice the units.
            limit: most items on the page; it has at most 1 MB of them in any case.
            start_after: the key after which the page begins, such as the last page's
                ``last_key``; it must be in the partition and in ``sort``.
            attributes: return only these of each item, at the price of all; default: all.
            count_only: return no items, only how many there are, at the price of reading them.
                Cannot be combined with ``attributes``.

        Costs the size of what it reads in 4 KB units, not of what it returns.
        """

    def scan(
        self,
        table: TableName,
        *,
        segment: int = 0,
        segments: int = 1,
        start_after: Item | None = None,
        attributes: Sequence[str] = (),
    ) -> QueryPage:
        """Return one page of all items of a table, or of a part of it (Scan).

        Args:
            table: expired items that DynamoDB still keeps are found too.
            segment: which part, from 0.
            segments: how many parts there are; each may be read by a thread of its own.
            start_after: the last page's ``last_key``.
            attributes: return only these of each item, at the price of all; default: all.

        Consistent: all writes before it are seen. Costs the size of what it reads, up to 1 MB a
        page, in 4 KB units.
        """

    def describe_table(self, table: TableName) -> TableDescription:
        """Return what kind of table it is (DescribeTable)."""

    def create_table(self, table: TableName, spec: TableSpec) -> None:
        """Ask for a table; it is there once it is described as active (CreateTable)."""

    def describe_ttl(self, table: TableName) -> TtlDescription:
        """Return whether and by what items expire (DescribeTimeToLive)."""

    def enable_ttl(self, table: TableName, attribute: str) -> None:
        """Let items expire by ``attribute``, in epoch seconds (UpdateTimeToLive)."""

    def enable_recovery(self, table: TableName) -> None:
        """Switch point-in-time recovery on (UpdateContinuousBackups).

        Raises :class:`~celery_aws.errors.ServiceFaultError` for a while after the table is made.
        """


class DynamoTableService:
    """:class:`TableService` on boto3; safe to share between threads and across a fork.

    It holds no client: each call takes the one of its own process.
    """

    def __init__(self, access: Access) -> None:
        self.access = access

    def put_item(
        self, table: TableName, item: Item, *, condition: Condition | None = None
    ) -> Item | None:
        """Write an item."""
        request = {
            "Item": item,
            "ReturnValues": "ALL_OLD",
            **RETURN_CONSUMED_CAPACITY,
            **_conditional(condition),
        }
        with translated("dynamodb", "PutItem", table):
            wire = wire_for("dynamodb", self.access)
            answer = wire.ask("PutItem", table, {"TableName": table, **request})
        return answer.get("Attributes") or None

    def get_item(self, table: TableName, key: Item, *, consistent: bool) -> Item | None:
        """Return an item, or None."""
        with translated("dynamodb", "GetItem", table):
            answer = self._client().get_item(
                TableName=table, Key=key, ConsistentRead=consistent, **RETURN_CONSUMED_CAPACITY
            )
        item: Item | None = answer.get("Item")
        return item

    def delete_item(
        self, table: TableName, key: Item, *, condition: Condition | None = None
    ) -> Item | None:
        """Delete an item."""
        request = {
            "Key": key,
            "ReturnValues": "ALL_OLD",
            **RETURN_CONSUMED_CAPACITY,
            **_conditional(condition),
        }
        with translated("dynamodb", "DeleteItem", table):
            answer = self._client().delete_item(TableName=table, **request)
        return answer.get("Attributes") or None

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
        expressions = Expressions()
        update = expressions.update(add=add, put=put, include=include)
        request = _conditional(condition, expressions)
        with translated("dynamodb", "UpdateItem", table):
            answer = self._client().update_item(
                TableName=table,
                Key=key,
                UpdateExpression=update,
                ReturnValues="ALL_NEW",
                **RETURN_CONSUMED_CAPACITY,
                **request,
            )
        item: Item = answer["Attributes"]
        return item

    def batch_get(self, table: TableName, keys: Sequence[Item], *, consistent: bool) -> BatchGot:
        """Return up to 100 items."""
        wanted = {table: {"Keys": list(keys), "ConsistentRead": consistent}}
        with translated("dynamodb", "BatchGetItem", table):
            answer = self._client().batch_get_item(RequestItems=wanted, **RETURN_CONSUMED_CAPACITY)
        return BatchGot(
            items=_of_the_table(answer.get("Responses"), []),
            unprocessed_keys=_of_the_table(answer.get("UnprocessedKeys"), {}).get("Keys", []),
        )

    def write_batch(
        self, table: TableName, *, puts: Sequence[Item] = (), deletes: Sequence[Item] = ()
    ) -> BatchWritten:
        """Put items and delete keys."""
        requests = [
            *({"PutRequest": {"Item": item}} for item in puts),
            *({"DeleteRequest": {"Key": key}} for key in deletes),
        ]
        with translated("dynamodb", "BatchWriteItem", table):
            answer = self._client().batch_write_item(
                RequestItems={table: requests}, **RETURN_CONSUMED_CAPACITY
            )
            left_out = _of_the_table(member_of(answer, "UnprocessedItems"), [])
        return BatchWritten(
            unprocessed_puts=[
                each["PutRequest"]["Item"] for each in left_out if "PutRequest" in each
            ],
            unprocessed_deletes=[
                each["DeleteRequest"]["Key"] for each in left_out if "DeleteRequest" in each
            ],
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
        expressions = Expressions()
        request: dict[str, Any] = {
            "TableName": table,
            "KeyConditionExpression": expressions.key_condition(partition, sort),
            "ConsistentRead": consistent,
            **RETURN_CONSUMED_CAPACITY,
        }
        if limit is not None:
            request["Limit"] = limit
        if start_after is not None:
            request["ExclusiveStartKey"] = start_after
        if attributes:
            request["ProjectionExpression"] = expressions.projection(attributes)
        if count_only:
            request["Select"] = "COUNT"
        with translated("dynamodb", "Query", table):
            answer = self._client().query(**request, **expressions.parameters())
            return QueryPage(
                items=answer.get("Items", []),
                count=member_of(answer, "Count"),
                last_key=answer.get("LastEvaluatedKey") or None,
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
        expressions = Expressions()
        request: dict[str, Any] = {
            "TableName": table,
            "Segment": segment,
            "TotalSegments": segments,
            "ConsistentRead": True,
            **RETURN_CONSUMED_CAPACITY,
        }
        if start_after is not None:
            request["ExclusiveStartKey"] = start_after
        if attributes:
            request["ProjectionExpression"] = expressions.projection(attributes)
        with translated("dynamodb", "Scan", table):
            answer = self._client().scan(**request, **expressions.parameters())
            return QueryPage(
                items=answer.get("Items", []),
                count=member_of(answer, "Count"),
                last_key=answer.get("LastEvaluatedKey") or None,
            )

    def describe_table(self, table: TableName) -> TableDescription:
        """Return what kind of table it is."""
        with translated("dynamodb", "DescribeTable", table):
            return described(self._client().describe_table(TableName=table)["Table"])

    def create_table(self, table: TableName, spec: TableSpec) -> None:
        """Ask for a table."""
        with translated("dynamodb", "CreateTable", table):
            self._client().create_table(TableName=table, **creation_parameters(spec))

    def describe_ttl(self, table: TableName) -> TtlDescription:
        """Return whether and by what items expire."""
        with translated("dynamodb", "DescribeTimeToLive", table):
            answer = self._client().describe_time_to_live(TableName=table)
        found = answer["TimeToLiveDescription"]
        return TtlDescription(
            status=found["TimeToLiveStatus"], attribute=found.get("AttributeName")
        )

    def enable_ttl(self, table: TableName, attribute: str) -> None:
        """Let items expire by ``attribute``."""
        specification = {"Enabled": True, "AttributeName": attribute}
        with translated("dynamodb", "UpdateTimeToLive", table):
            self._client().update_time_to_live(
                TableName=table, TimeToLiveSpecification=specification
            )

    def enable_recovery(self, table: TableName) -> None:
        """Switch point-in-time recovery on."""
        specification = {"PointInTimeRecoveryEnabled": True}
        with translated("dynamodb", "UpdateContinuousBackups", table):
            self._client().update_continuous_backups(
                TableName=table, PointInTimeRecoverySpecification=specification
            )

    def _client(self) -> Any:
        return client_for("dynamodb", self.access)


def _of_the_table(by_table: Mapping[str, T] | None, nothing: T) -> T:
    # Not by name: who asks for a table by its ARN may be answered by its name.
    return next(iter((by_table or {}).values()), nothing)


def _conditional(
    condition: Condition | None, expressions: Expressions | None = None
) -> dict[str, Any]:
    expressions = Expressions() if expressions is None else expressions
    if condition is None:
        return expressions.parameters()
    return {
        "ConditionExpression": expressions.condition(condition),
        # Who loses learns in the same request to whom.
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **expressions.parameters(),
    }
