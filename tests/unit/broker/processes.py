"""Connections as if each were in a process of its own, on one SQS and one set of tables in memory.

For remote control: what one process binds, others must find. Time is real here, because threads
wait for each other; nothing takes long, because nothing is far away.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kombu import Connection

from celery_aws import process
from celery_aws.control.control_plane import ControlPlane
from celery_aws.core.attributes import Item
from celery_aws.names import TableName
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_sqs import MemorySqs

if TYPE_CHECKING:
    from tests.unit.broker.conftest import Connect

TABLE: Final = TableName("celery-coordination")

#: What begins the names of inboxes.
INBOX: Final = "celery-inbox-"


class Processes:
    """Makes connections of processes; ends what these have started."""

    def __init__(self, connect: "Connect", sqs: MemorySqs, tables: MemoryTableService) -> None:
        self.sqs = sqs
        self.tables = tables
        self._connect = connect
        self._planes: list[ControlPlane] = []

    def __call__(self, **options: Any) -> Connection:
        """Return a connection of a process that has none yet."""
        self.begin()
        return self.again(**options)

    def begin(self) -> None:
        """Begin a process: what is made from now on shares nothing with what there is."""
        process._forget_all_after_fork()

    def again(self, **options: Any) -> Connection:
        """Return another connection of the newest process."""
        connection = self._connect(**{"coordination_table": TABLE, **options})
        self.adopt(connection)
        return connection

    def adopt(self, connection: Connection) -> None:
        """Let a connection be one of the newest process."""
        plane = connection.transport.control_plane
        if plane is not None and plane not in self._planes:
            self._planes.append(plane)

    def end(self, connection: Connection) -> None:
        """End a process as its interpreter does."""
        plane = connection.transport.control_plane
        connection.close()
        plane.close()
        assert not plane.keeper.alive

    def items(self, kind: str) -> list[Item]:
        """Return what is in the partitions of the table whose names begin like this."""
        try:
            found = self.tables.items(TABLE)
        except KeyError:
            return []  # nobody needed the table yet
        return [item for item in found if str(item["pk"]["S"]).startswith(kind)]

    def created(self) -> list[str]:
        """Return the queues that were made, but for inboxes and dead-letter queues."""
        names = [call.resource for call in self.sqs.calls if call.operation == "CreateQueue"]
        return [name for name in names if not name.startswith(INBOX) and "dead" not in name]

    def inboxes(self) -> int:
        """Return how many inboxes were made."""
        calls = [call for call in self.sqs.calls if call.operation == "CreateQueue"]
        return sum(call.resource.startswith(INBOX) for call in calls)

    def close(self) -> None:
        for plane in self._planes:
            plane.close()
        self.sqs.close()


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait until something holds that no signal tells of."""
    never = threading.Event()
    for _ in range(int(seconds * 100)):
        if holds():
            return True
        never.wait(0.01)
    return holds()
