"""What workers asked of AWS, by month: written by each, read by `cost actual` and the doctor.

Keys and form: :mod:`celery_aws.core.usage_records`. Items live for 400 days. Nothing here makes the
table: nobody needs a table for its own costs.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from celery_aws.core.attributes import Item
from celery_aws.core.usage_records import UsageRecord, record_item, record_of, usage_partition
from celery_aws.table.coordination import CoordinationTable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class UsageLog:
    """The records of a deployment."""

    table: CoordinationTable

    def put(self, record: UsageRecord) -> None:
        """Write what a process asked on a day, in place of what it wrote before.

        Raises:
            TableNotFoundError: there is no table, and none is made for this.
            AwsError: AWS refuses.

        Costs one PutItem, of one write unit for some fifty operations and queues.
        """
        self.table.service.put_item(self.table.name, record_item(record))

    def month(self, month: str) -> list[UsageRecord]:
        """Return the records of a month, such as ``2026-11``; without a table none.

        Costs one Query for each MB: some 2,000 records, which are 64 processes of a month.
        """
        partition = usage_partition(month)
        return [
            record
            for page in self.table.pages(partition)
            for item in page
            for record in _readable(item, month)
        ]


def _readable(item: Item, month: str) -> Iterator[UsageRecord]:
    try:
        yield record_of(item, month)
    except ValueError as error:
        logger.warning("a record of usage cannot be read, and is left out: %s", error)
