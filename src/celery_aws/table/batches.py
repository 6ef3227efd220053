"""Reads and writes many items: batches of AWS's size until there is nothing left to ask for.

DynamoDB may do a batch in part, when it is throttled or when an answer would pass 16 MB. What it
left out is asked for again: at once while something is done, with growing waits while nothing is,
and not beyond a deadline.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from celery_aws.aws.dynamodb import TableService
from celery_aws.clock import Clock
from celery_aws.core.attributes import Item
from celery_aws.core.backoff import Backoff, Random
from celery_aws.errors import ThrottledError
from celery_aws.limits import DYNAMODB_BATCH_GET_KEYS, DYNAMODB_BATCH_WRITE_ENTRIES
from celery_aws.names import TableName

#: How long one call may be put off by AWS, all its batches together.
DEADLINE_SECONDS = 30.0

_WAITS = Backoff(base_seconds=0.05, cap_seconds=2.0)


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
    deadline = clock.monotonic() + DEADLINE_SECONDS
    rest = iter(keys)
    left_out: list[Item] = []
    attempt = 0
    while batch := [*left_out, *islice(rest, DYNAMODB_BATCH_GET_KEYS - len(left_out))]:
        got = service.batch_get(table, batch, consistent=True)
        yield from got.items
        left_out = got.unprocessed_keys
        if len(left_out) < len(batch):
            attempt = 0
            continue
        if clock.monotonic() >= deadline:
            raise _given_up("BatchGetItem", table, len(left_out))
        clock.sleep(_WAITS.wait_seconds(attempt, random))
        attempt += 1


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
    deadline = clock.monotonic() + DEADLINE_SECONDS
    rest = iter(keys)
    left_out: list[Item] = []
    attempt = 0
    while batch := [*left_out, *islice(rest, DYNAMODB_BATCH_WRITE_ENTRIES - len(left_out))]:
        left_out = list(service.write_batch(table, deletes=batch).unprocessed_deletes)
        if len(left_out) < len(batch):
            attempt = 0
            continue
        if clock.monotonic() >= deadline:
            raise _given_up("BatchWriteItem", table, len(left_out))
        clock.sleep(_WAITS.wait_seconds(attempt, random))
        attempt += 1


def _given_up(operation: str, table: TableName, missing: int) -> ThrottledError:
    return ThrottledError(
        f"{missing} keys were left unprocessed for {DEADLINE_SECONDS:.0f} s",
        service="dynamodb",
        operation=operation,
        code="UnprocessedKeys",
        resource=table,
        remedy="Raise the table's capacity, or make it on demand",
    )
