"""Another process that has a queue bound to an exchange, as far as publishers can tell."""

from celery_aws.clock import Clock
from celery_aws.core.inboxes import inbox_attributes, inbox_name
from celery_aws.core.parcels import unpack
from celery_aws.core.routing import Binding, ExchangeKind
from celery_aws.names import AmqpQueue, InboxId, TableName
from celery_aws.table.bindings import Bindings
from celery_aws.table.coordination import CoordinationTable
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_sqs import MemorySqs


class Listener:
    """A process with an inbox, in which nobody works.

    Args:
        sqs: where its inbox is.
        tables: where its bindings are.
        clock: of the table.
        name: its own.
    """

    def __init__(
        self, sqs: MemorySqs, tables: MemoryTableService, clock: Clock, name: str = "other"
    ) -> None:
        self.name = inbox_name("", name)
        self._sqs = sqs
        self._inbox = InboxId(name)
        self._url = sqs.create_queue(self.name, inbox_attributes(high_throughput=True), {})
        self._bindings = Bindings(
            table=CoordinationTable(
                service=tables, name=TableName("coordination"), creates=True, clock=clock
            )
        )

    def bind(self, queue: str, exchange: str, kind: ExchangeKind, routing_key: str = "") -> None:
        """Let it listen."""
        self._bindings.put(
            Binding(
                exchange=exchange,
                kind=kind,
                queue=AmqpQueue(queue),
                routing_key=routing_key,
                inbox=self._inbox,
                inbox_url=self._url,
                token=f"token of {queue}",
            )
        )

    def leave(self) -> None:
        """Let its inbox be gone, and its bindings be left."""
        self._sqs.delete_queue(self._url)

    def heard(self) -> list[str]:
        """Return the bodies of the messages that it was sent."""
        parcels = [unpack(each.body) for each in self._sqs.messages(self.name)]
        return [item.message["body"] for parcel in parcels for item in parcel.items]
