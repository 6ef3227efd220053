"""From what the meter counted to what is billed for it."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from celery_aws.core.prices import Quantity, Unit
from celery_aws.core.queue_names import is_fifo
from celery_aws.core.request_usage import RequestUsage, UsageRow
from celery_aws.cost.bill import Item
from celery_aws.names import QueueName

#: S3's operations of the dearer group; those that delete are free ("Amazon S3 pricing").
_S3_WRITES: Final = frozenset({"PutObject", "ListObjectsV2", "CopyObject", "PostObject"})
_S3_FREE: Final = frozenset({"DeleteObject", "DeleteObjects"})


def usage_items(usage: RequestUsage, *, times: float = 1.0) -> tuple[Item, ...]:
    """Return what a usage is billed as, an item for each operation and queue, table or bucket.

    Args:
        usage: as metered; units for SQS and DynamoDB, requests for S3. What STS and others are
            asked is free.
        times: how often the same comes in a month.
    """
    return tuple(_items(usage, times))


def by_price_and_resource(usage: RequestUsage) -> Counter[tuple[str, str]]:
    """Return units by the key of their price, and their queue, table or bucket."""
    found: Counter[tuple[str, str]] = Counter()
    for row in usage.rows:
        billed = _billed(row)
        if billed is not None:
            found[billed[0], row.resource] += billed[1].amount  # type: ignore[assignment]
    return found


def _items(usage: RequestUsage, times: float) -> Iterator[Item]:
    for row in usage.rows:
        billed = _billed(row)
        if billed is not None:
            key, quantity = billed
            what = f"{row.name} {row.resource}".rstrip()
            scaled = Quantity(quantity.amount * times, quantity.unit)
            yield Item(what=what, price_key=key, quantity=scaled)


def _billed(row: UsageRow) -> tuple[str, Quantity] | None:
    if row.service == "sqs":
        key = "sqs.fifo" if is_fifo(QueueName(row.resource)) else "sqs.standard"
        return key, Quantity(row.units, Unit.REQUEST)
    if row.service == "dynamodb":
        if RequestUsage(rows=(row,)).write_units:
            return "dynamodb.write", Quantity(row.units, Unit.WRITE_UNIT)
        return "dynamodb.read", Quantity(row.units, Unit.READ_UNIT)
    if row.service == "s3" and row.operation not in _S3_FREE:
        key = "s3.put" if row.operation in _S3_WRITES else "s3.get"
        return key, Quantity(row.requests, Unit.REQUEST)
    return None
