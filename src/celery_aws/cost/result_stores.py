"""Stores of results that are billed by the request: DynamoDB, this package's use and stock; S3."""

from math import ceil
from typing import Final

from celery_aws.core.billing import read_units, write_units
from celery_aws.core.prices import MONTH_HOURS, Quantity, Unit
from celery_aws.cost.bill import Item
from celery_aws.cost.workload import Workload

#: Bytes of an item around its result: key, state, times, and what Celery says of each task.
RESULT_ITEM_BYTES: Final = 300.0

#: Bytes that DynamoDB adds to each stored item ("Calculating storage").
INDEX_BYTES: Final = 100.0

_MONTH_DAYS: Final = MONTH_HOURS / 24


def table_items(workload: Workload) -> tuple[Item, ...]:
    """Return what this package uses of a table on demand: one conditional write a result."""
    reads = workload.result_reads * _read_units(workload, consistent=True)
    return _on_demand(workload, reads)


def stock_table_items(workload: Workload) -> tuple[Item, ...]:
    """Return the same of Celery's own backend, which reads before it writes."""
    # What it looks for is not there yet, which is half a unit.
    reads = workload.result_reads * _read_units(workload, consistent=False) + 0.5
    return _on_demand(workload, reads)


def provisioned_items(workload: Workload) -> tuple[Item, ...]:
    """Return what a table of provisioned capacity costs that bears the busiest second."""
    seconds = max(workload.hours, 1.0) * 3_600
    at_peak = workload.results * workload.peak_factor / seconds
    writes = max(1, ceil(at_peak * _write_units(workload)))
    reads = max(1, ceil(at_peak * workload.result_reads * _read_units(workload, consistent=True)))
    return (
        Item(
            what=f"capacity of {writes} writes/s",
            price_key="dynamodb.write_capacity",
            quantity=Quantity(writes * MONTH_HOURS, Unit.WRITE_CAPACITY_HOUR),
        ),
        Item(
            what=f"capacity of {reads} reads/s",
            price_key="dynamodb.read_capacity",
            quantity=Quantity(reads * MONTH_HOURS, Unit.READ_CAPACITY_HOUR),
        ),
        _table_storage(workload),
    )


def s3_items(workload: Workload) -> tuple[Item, ...]:
    """Return what Celery's S3 backend uses: an object a result, looked for before it is written."""
    reads = workload.results * (1 + workload.result_reads)
    kept = workload.results * workload.result_days / _MONTH_DAYS
    stored = kept * (workload.result_bytes + RESULT_ITEM_BYTES) / 1e9
    return (
        Item(
            what="writes",
            price_key="s3.put",
            quantity=Quantity(workload.results, Unit.REQUEST),
        ),
        Item(what="reads", price_key="s3.get", quantity=Quantity(reads, Unit.REQUEST)),
        Item(
            what="storage",
            price_key="s3.storage",
            quantity=Quantity(stored, Unit.GIGABYTE_MONTH),
        ),
    )


def _on_demand(workload: Workload, reads_a_result: float) -> tuple[Item, ...]:
    return (
        Item(
            what="writes of results",
            price_key="dynamodb.write",
            quantity=Quantity(workload.results * _write_units(workload), Unit.WRITE_UNIT),
        ),
        Item(
            what="reads of results",
            price_key="dynamodb.read",
            quantity=Quantity(workload.results * reads_a_result, Unit.READ_UNIT),
        ),
        _table_storage(workload),
    )


def _table_storage(workload: Workload) -> Item:
    kept = workload.results * workload.result_days / _MONTH_DAYS
    stored = kept * (workload.result_bytes + RESULT_ITEM_BYTES + INDEX_BYTES) / 1e9
    return Item(
        what="storage of results",
        price_key="dynamodb.storage",
        quantity=Quantity(stored, Unit.GIGABYTE_MONTH),
    )


def _write_units(workload: Workload) -> int:
    return write_units(ceil(workload.result_bytes + RESULT_ITEM_BYTES))


def _read_units(workload: Workload, *, consistent: bool) -> float:
    return read_units(ceil(workload.result_bytes + RESULT_ITEM_BYTES), consistent=consistent)
