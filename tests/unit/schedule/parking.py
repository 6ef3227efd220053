"""A schedule on the double of DynamoDB, and tasks to park in it."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from celery_aws.core.attributes import binary
from celery_aws.core.delay_plan import send_after
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.queue_names import is_fifo
from celery_aws.core.schedule import FIFO, STANDARD, ScheduledTask
from celery_aws.core.scheduled_items import MESSAGE
from celery_aws.names import AmqpQueue, QueueUrl, TableName
from celery_aws.table.coordination import CoordinationTable
from celery_aws.table.revocations import Revocations
from celery_aws.table.schedule import Schedule
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

TABLE = TableName("coordination")


class ParkingLot:
    """One coordination table, and the clock of all that use it."""

    def __init__(self, *, creates: bool = True) -> None:
        self.clock = FakeClock()
        self.service = MemoryTableService(clock=self.clock)
        self.table = CoordinationTable(
            service=self.service, name=TABLE, creates=creates, clock=self.clock
        )
        self.schedule = Schedule(self.table)
        self.revocations = Revocations(table=self.table)

    def at(self, seconds: float) -> datetime:
        """Return the time in so many seconds."""
        return self.clock.now() + timedelta(seconds=seconds)

    def park(
        self,
        task_id: str,
        seconds: float,
        *,
        queue: str = "celery",
        task: str = "shop.mail",
        delay_seconds: int = 900,
        schedule: Schedule | None = None,
        **changes: Any,
    ) -> ScheduledTask:
        """Park a task that is due in so many seconds."""
        fifo = is_fifo(queue)
        due = self.at(seconds)
        scheduled = ScheduledTask(
            task_id=task_id,
            task=task,
            due=due,
            send_after=send_after(due, max_delay_seconds=0 if fifo else delay_seconds),
            queue=AmqpQueue(queue),
            queue_url=QueueUrl(f"https://sqs/1/{queue}"),
            message=OutgoingMessage(body=envelope(task_id, task, due)),
        )
        scheduled = replace(scheduled, **changes)
        (schedule or self.schedule).park(scheduled, FIFO if fifo else STANDARD)
        return scheduled

    def park_many(self, seconds: Iterable[float], **options: Any) -> list[str]:
        """Park tasks that are called by their number; return their ids by time."""
        times = list(seconds)
        for number, each in enumerate(times):
            self.park(f"task-{number}", each, **options)
        return [f"task-{number}" for number in sorted(range(len(times)), key=times.__getitem__)]


def spoil_message(lot: ParkingLot) -> None:
    """Make the message of the one parked task unreadable."""
    (entry,) = (item for item in lot.service.items(TABLE) if MESSAGE in item)
    lot.service.put_item(TABLE, {**entry, MESSAGE: binary(b"junk")})


def envelope(task_id: str, task: str, due: datetime, **headers: Any) -> str:
    """Return a message of protocol 2 with a JSON body."""
    properties = {"body_encoding": "utf-8", "delivery_info": {"routing_key": "celery"}}
    whole = {
        "body": json.dumps([["you"], {}, {"callbacks": None, "chord": headers.pop("chord", None)}]),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "properties": properties,
        "headers": {
            "lang": "py",
            "task": task,
            "id": task_id,
            "eta": due.isoformat(),
            "argsrepr": "['you']",
            "kwargsrepr": "{}",
            **headers,
        },
    }
    return json.dumps(whole)
