"""Doubles that count what AWS bills, and what meets in one partition."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from celery_aws.aws.dynamodb import BatchWritten
from celery_aws.aws.sqs import SendFailure
from celery_aws.clock import Clock
from celery_aws.core.attributes import Item, item_bytes, text_of
from celery_aws.core.billing import billed_requests, write_units
from celery_aws.core.conditions import Condition
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.table_keys import PARTITION
from celery_aws.names import QueueUrl, TableName
from celery_aws.testing.memory_dynamodb import MemoryTableService


@dataclass
class Usage:
    """What was used by so many tasks.

    Attributes:
        written: write units by partition.
        operations: requests by AWS's name.
        sqs_requests: as they are billed, by 64 KB.
    """

    tasks: int = 0
    write_units: float = 0.0
    read_units: float = 0.0
    sqs_requests: float = 0.0
    written: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)

    def without(self, other: "Usage") -> "Usage":
        """Return what is left when another use, of the same time, is taken out."""
        operations = Counter(self.operations)
        operations.subtract(other.operations)
        return Usage(
            tasks=self.tasks,
            write_units=self.write_units - other.write_units,
            read_units=self.read_units - other.read_units,
            sqs_requests=self.sqs_requests - other.sqs_requests,
            written=self.written,
            operations=operations,
        )


class MeteredTables(MemoryTableService):
    """A double that also knows which partition was written."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.written: Counter[str] = Counter()

    def put_item(
        self, table: TableName, item: Item, *, condition: Condition | None = None
    ) -> Item | None:
        """Write an item."""
        old = super().put_item(table, item, condition=condition)
        self.written[text_of(item, PARTITION) or ""] += write_units(item_bytes(item))
        return old

    def write_batch(
        self, table: TableName, *, puts: Sequence[Item] = (), deletes: Sequence[Item] = ()
    ) -> BatchWritten:
        """Put items and delete keys."""
        answer = super().write_batch(table, puts=puts, deletes=deletes)
        for key in deletes:
            self.written[text_of(key, PARTITION) or ""] += 1
        return answer


class MeteredQueues:
    """Takes messages and forgets them."""

    def __init__(self) -> None:
        self.requests = 0
        self.batches = 0
        self.sent = 0

    def send_batch(self, url: QueueUrl, messages: Sequence[OutgoingMessage]) -> list[SendFailure]:  # noqa: ARG002
        """Take up to 10 messages."""
        self.batches += 1
        self.sent += len(messages)
        self.requests += billed_requests(sum(message.size_bytes for message in messages))
        return []
