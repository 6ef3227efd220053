"""The coordination table: what the processes of a Celery deployment must know of each other.

One table, on demand, ``pk`` and ``sk`` text, items expire by ``ttl``. Kinds of item, with their
partition and sort key; who reads them, what that costs, and how long they live is told in the
module that is named:

    schedule#LANE                 BUCKET#SHARD             marker    table/schedule.py
    schedule#LANE#BUCKET#SHARD    TIME#TASK ID#QUEUE       entry     table/schedule.py
    part#(key of the entry)       NUMBER                   part      table/schedule.py
    lease#NAME                    lease                    lease     table/leases.py
    revoked#TASK ID               revoked                  revoke    table/revocations.py
    migrated#TASK KEY             migrated                 claim     table/migrated.py
    binding                       EXCHANGE/QUEUE/KEY/INBOX binding   table/bindings.py
    inbox                         INBOX ID                 inbox     table/inboxes.py
    reply#OID                     REPLY ID#NUMBER          reply     table/mailboxes.py
    usage#MONTH                   DAY#PROCESS ID           usage     table/usage.py

It is made when the first write finds none, if that is allowed; whoever reads finds nothing in a
table that does not exist.
"""

import logging
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from celery_aws.aws.dynamodb import QueryPage, TableService
from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.clock import Clock
from celery_aws.core.attributes import Item, text
from celery_aws.core.backoff import Random
from celery_aws.core.conditions import Condition
from celery_aws.core.key_range import SortRange
from celery_aws.core.table_keys import PARTITION, SORT, TTL
from celery_aws.errors import TableNotFoundError
from celery_aws.names import TableName
from celery_aws.table.batches import delete_batches, read_batches
from celery_aws.table.creation import TablePurpose, TableReport, ensure_table

logger = logging.getLogger(__name__)

T = TypeVar("T")

SPEC = TableSpec(hash_key=KeyAttribute(name=PARTITION), range_key=KeyAttribute(name=SORT))
PURPOSE = TablePurpose(
    name="the coordination table",
    ttl_attribute=TTL,
    where="broker_transport_options",
    key="coordination_table",
)


@dataclass(frozen=True, kw_only=True)
class CoordinationTable:
    """The table; holds no connection, so threads and forked children may share it.

    Attributes:
        service: DynamoDB.
        name: of the table.
        creates: make it when the first write finds none.
        spec: what it is made as; its key is that of :data:`SPEC`.
        clock: for what is stored, and for waits.
        random: for the jitter of waits.
    """

    service: TableService
    name: TableName
    creates: bool
    clock: Clock
    spec: TableSpec = SPEC
    random: Random = random.random

    def put(self, item: Item, *, condition: Condition | None = None) -> None:
        """Write an item. One PutItem; the first of all also makes the table.

        Raises:
            ConditionFailedError: ``condition`` is not met.
            AwsError: AWS refused.
        """
        try:
            self.service.put_item(self.name, item, condition=condition)
        except TableNotFoundError:
            if not self.creates:
                raise
            self.ensure()
            self.service.put_item(self.name, item, condition=condition)

    def ensure(self) -> TableReport:
        """Make the table, unless it is there. Two requests, or some thirty, once."""
        logger.warning("coordination table %s: making it if it does not exist", self.name)
        return self.create()

    def create(self) -> TableReport:
        """Do the same because somebody asked for it, whatever ``creates`` says."""
        return ensure_table(self.service, self.name, self.spec, purpose=PURPOSE, clock=self.clock)

    def get(self, key: Item) -> Item | None:
        """Return an item, or None. One GetItem, consistent."""
        return self._read(lambda: self.service.get_item(self.name, key, consistent=True), None)

    def get_many(self, keys: Sequence[Item]) -> list[Item]:
        """Return the items that exist, in any order. One BatchGetItem for each 100 keys."""

        def read() -> list[Item]:
            found = read_batches(
                self.service, self.name, keys, clock=self.clock, random=self.random
            )
            return list(found)

        return self._read(read, [])

    def delete(self, key: Item, *, condition: Condition | None = None) -> None:
        """Delete an item, if it is there. One DeleteItem.

        Raises:
            ConditionFailedError: ``condition`` is not met.
        """
        self._read(lambda: self.service.delete_item(self.name, key, condition=condition), None)

    def delete_many(self, keys: Iterable[Item]) -> None:
        """Delete items, in order. One BatchWriteItem for each 25."""
        delete_batches(self.service, self.name, keys, clock=self.clock, random=self.random)

    def pages(
        self,
        partition: str,
        *,
        since: str | None = None,
        until: str | None = None,
        attributes: Sequence[str] = (),
        page_items: int | None = None,
    ) -> Iterator[list[Item]]:
        """Yield a partition's items by their sort key, a page of up to 1 MB at a time.

        Args:
            partition: the partition key.
            since: the first sort key, itself included; None is from the start.
            until: the last sort key, itself included; None is no end.
            attributes: what to return of them; empty is everything. It costs the same.
            page_items: most items of a page, for who may need only the first.

        Costs one Query a page, consistent.
        """
        for page in self._query(
            partition, until, since=since, attributes=attributes, limit=page_items
        ):
            yield list(page.items)

    def count(self, partition: str, *, until: str | None = None) -> int:
        """Return how many items a partition has. One Query for each MB, consistent."""
        return sum(page.count for page in self._query(partition, until, count_only=True))

    def has_items(self, partition: str) -> bool:
        """Tell whether a partition has an item. One Query of one item, consistent."""
        return any(page.count for page in self._query(partition, None, count_only=True, limit=1))

    def _query(
        self,
        partition: str,
        until: str | None,
        *,
        since: str | None = None,
        attributes: Sequence[str] = (),
        count_only: bool = False,
        limit: int | None = None,
    ) -> Iterator[QueryPage]:
        if since is not None and until is not None and since > until:
            return  # AWS refuses such a range
        sort = _sort_range(since, until)
        page: QueryPage | None = None
        while page is None or page.last_key is not None:
            try:
                page = self.service.query(
                    self.name,
                    partition=(PARTITION, text(partition)),
                    sort=sort,
                    consistent=True,
                    limit=limit,
                    start_after=None if page is None else page.last_key,
                    attributes=attributes,
                    count_only=count_only,
                )
            except TableNotFoundError as error:
                self._tolerate(error)
                return
            yield page

    def _read(self, ask: Callable[[], T], nothing: T) -> T:
        try:
            return ask()
        except TableNotFoundError as error:
            self._tolerate(error)
            return nothing

    def _tolerate(self, error: TableNotFoundError) -> None:
        # Fine only if the first write makes it.
        if not self.creates:
            raise error


def _sort_range(since: str | None, until: str | None) -> SortRange | None:
    if since is None and until is None:
        return None
    low, high = (None if bound is None else text(bound) for bound in (since, until))
    return SortRange(attribute=SORT, low=low, high=high)
