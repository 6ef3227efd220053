"""Reads and writes many items: batches of AWS's size until there is nothing left to ask for.

DynamoDB may do a batch in part, when it is throttled or when an answer would pass 16 MB. What it
left out is asked for again: at once while something is done, with growing waits while nothing is,
and not beyond a deadline.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from json import dumps
from typing import TypeAlias, TypeVar

from celery_aws.aws.dynamodb import TableService
from celery_aws.clock import Clock
from celery_aws.core.attributes import AttributeValue, Item
from celery_aws.core.backoff import Backoff, Random
from celery_aws.core.batching import batches_by_size
from celery_aws.errors import ThrottledError
from celery_aws.limits import (
    DYNAMODB_BATCH_GET_KEYS,
    DYNAMODB_BATCH_WRITE_BYTES,
    DYNAMODB_BATCH_WRITE_ENTRIES,
)
from celery_aws.names import TableName

#: How long one call may be put off by AWS, all its batches together.
DEADLINE_SECONDS = 30.0

T = TypeVar("T")

#: Asks for a batch of keys; returns the answer, and the keys that AWS left out of it.
Ask: TypeAlias = Callable[[list[Item]], tuple[T, list[Item]]]

#: What a request has beside its items: the table's name and the outermost brackets.
_REQUEST_BYTES = 1_024

#: What JSON has around an item, and around each attribute of it.
_ITEM_FRAME_BYTES = 64
_ATTRIBUTE_FRAME_BYTES = 16

#: Between two requests of which nothing was done.
WAITS = Backoff(base_seconds=0.05, cap_seconds=2.0)


def read_batches(
    service: TableService,
    table: TableName,
    keys: Sequence[Item],
    *,
    clock: Clock,
    random: Random,
) -> Iterator[Item]:
    """Yield the items that exist under ``keys``, in any order.

    Args:
        service: DynamoDB.
        table: where they are.
        keys: distinct primary keys, any number.
        clock: for waits and the deadline.
        random: for the jitter.

    Raises:
        ThrottledError: keys were left over after :data:`DEADLINE_SECONDS`.
        AwsError: AWS refused.

    Costs one request for each 100 keys, more if AWS leaves some out.
    """

    def ask(batch: list[Item]) -> tuple[list[Item], list[Item]]:
        got = service.batch_get(table, batch, consistent=True)
        return got.items, got.unprocessed_keys

    work = _Work(operation="BatchGetItem", table=table, clock=clock, random=random)
    for items in work.answers(keys, DYNAMODB_BATCH_GET_KEYS, ask):
        yield from items


def write_batches(
    service: TableService,
    table: TableName,
    puts: Iterable[Item],
    *,
    clock: Clock,
    random: Random,
) -> None:
    """Put items, in order, each in place of whatever has its key; it is not one write.

    Args:
        service: DynamoDB.
        table: where they go.
        puts: items of distinct primary keys, any number and size.
        clock: for waits and the deadline.
        random: for the jitter.

    Raises:
        ThrottledError: items of one request were left over after :data:`DEADLINE_SECONDS`.
        AwsError: AWS refused.

    Costs one request for each 25 items or 16 MB, more if AWS leaves some out.
    """

    def ask(batch: list[Item]) -> tuple[None, list[Item]]:
        try:
            return None, service.write_batch(table, puts=batch).unprocessed_puts
        except ThrottledError:
            # This is what AWS says when it leaves out all of them.
            return None, batch

    work = _Work(operation="BatchWriteItem", table=table, clock=clock, random=random)
    for batch in batches_by_size(
        puts,
        _wire_bytes,
        most=DYNAMODB_BATCH_WRITE_ENTRIES,
        most_bytes=DYNAMODB_BATCH_WRITE_BYTES - _REQUEST_BYTES,
    ):
        for _ in work.answers(batch, DYNAMODB_BATCH_WRITE_ENTRIES, ask):
            pass


def delete_batches(
    service: TableService,
    table: TableName,
    keys: Iterable[Item],
    *,
    clock: Clock,
    random: Random,
) -> None:
    """Delete items, in order; those that do not exist are no error.

    Args:
        service: DynamoDB.
        table: where they are.
        keys: distinct primary keys, any number.
        clock: for waits and the deadline.
        random: for the jitter.

    Raises:
        ThrottledError: keys were left over after :data:`DEADLINE_SECONDS`.
        AwsError: AWS refused.

    Costs one request for each 25 keys, more if AWS leaves some out.
    """

    def ask(batch: list[Item]) -> tuple[None, list[Item]]:
        return None, service.write_batch(table, deletes=batch).unprocessed_deletes

    work = _Work(operation="BatchWriteItem", table=table, clock=clock, random=random)
    for _ in work.answers(keys, DYNAMODB_BATCH_WRITE_ENTRIES, ask):
        pass


def _wire_bytes(item: Item) -> int:
    """Return what an item takes up in a request, at most: boto3 sends JSON in ASCII."""
    return _ITEM_FRAME_BYTES + sum(
        len(dumps(name)) + _ATTRIBUTE_FRAME_BYTES + _wire_bytes_of_value(value)
        for name, value in item.items()
    )


def _wire_bytes_of_value(value: AttributeValue) -> int:
    ((kind, content),) = value.items()
    if kind == "B":
        return 4 * -(-len(content) // 3)  # base64
    return len(dumps(content))


@dataclass(frozen=True, kw_only=True)
class _Work:
    """One call that may take many batches."""

    operation: str
    table: TableName
    clock: Clock
    random: Random

    def answers(self, keys: Iterable[Item], most: int, ask: Ask[T]) -> Iterator[T]:
        """Yield the answers to batches of up to ``most`` keys, until none is left out."""
        deadline = self.clock.monotonic() + DEADLINE_SECONDS
        rest = iter(keys)
        left_out: list[Item] = []
        attempt = 0
        while batch := [*left_out, *islice(rest, most - len(left_out))]:
            answer, left_out = ask(batch)
            yield answer
            if len(left_out) < len(batch):
                attempt = 0
                continue
            if self.clock.monotonic() >= deadline:
                raise self._given_up(len(left_out))
            self.clock.sleep(WAITS.wait_seconds(attempt, self.random))
            attempt += 1

    def _given_up(self, missing: int) -> ThrottledError:
        return ThrottledError(
            f"{missing} keys were left unprocessed for {DEADLINE_SECONDS:.0f} s",
            service="dynamodb",
            operation=self.operation,
            code="UnprocessedKeys",
            resource=self.table,
            remedy="Raise the table's capacity, or make it on demand",
        )
