"""Control planes of several processes, put together as the broker does, on one AWS in memory."""

from collections.abc import Callable
from typing import Any

from celery_aws.clock import Clock, SystemClock
from celery_aws.control.control_plane import ControlOptions, ControlPlane
from celery_aws.names import TableName
from celery_aws.table.bindings import Bindings
from celery_aws.table.coordination import CoordinationTable
from celery_aws.table.inboxes import Inboxes
from celery_aws.table.mailboxes import Mailboxes
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_sqs import MemorySqs

#: Real seconds for which a test waits for another thread before it fails.
PATIENCE_SECONDS = 10.0


class Deployment:
    """What processes share: one SQS, one coordination table."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.sqs = MemorySqs(self.clock)
        self.tables = MemoryTableService(clock=self.clock)
        self.table = CoordinationTable(
            service=self.tables, name=TableName("coordination"), creates=True, clock=self.clock
        )
        self.bindings = Bindings(table=self.table)
        self.inboxes = Inboxes(table=self.table)
        self._planes: list[ControlPlane] = []

    def process(
        self, *, count_dropped: Callable[[int], None] = lambda events: None
    ) -> ControlPlane:
        """Return the control plane of one more process."""
        plane = ControlPlane(
            service=self.sqs,
            bindings=self.bindings,
            inboxes=self.inboxes,
            mailboxes=Mailboxes(table=self.table),
            options=ControlOptions(
                queue_name_prefix="",
                queue_tags={},
                wait_time_seconds=20,
                inbox_lease_seconds=600,
                event_heartbeat_seconds=15,
            ),
            count_dropped=count_dropped,
            clock=self.clock,
        )
        self._planes.append(plane)
        return plane

    def close(self) -> None:
        """End all threads."""
        for plane in self._planes:
            plane.close()
        self.sqs.close()


def virtual_message(body: str = "[]", **headers: Any) -> dict[str, Any]:
    """Return a virtual message as a channel has it when it sends it on."""
    return {
        "body": body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": {"delivery_tag": "1", "delivery_info": {}, "body_encoding": "utf-8"},
    }
