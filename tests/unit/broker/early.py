"""Tasks with an eta, on the queue as somebody sent them; what the tests of early ones share."""

import json
from datetime import datetime, timedelta
from typing import Any

from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.schedule import LANES, ScheduledTask
from celery_aws.names import AmqpQueue
from tests.unit.broker.conftest import QUEUE, Bench

TASK = "shop.mail"


def envelope(eta: datetime | str | None, task_id: str = "task-1") -> str:
    """Return a task of protocol 2, as another transport may write it."""
    headers = {
        "task": TASK,
        "id": task_id,
        "eta": eta.isoformat() if isinstance(eta, datetime) else eta,
    }
    return json.dumps(
        {
            "body": "W1tdLHt9LHt9XQ==",
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": headers,
            "properties": {"body_encoding": "base64", "delivery_info": {}},
        }
    )


def due_in(bench: Bench, seconds: float) -> datetime:
    return bench.clock.now() + timedelta(seconds=seconds)


def send(
    bench: Bench, seconds: float, *, queue: AmqpQueue = QUEUE, task_id: str = "task-1", **how: Any
) -> str:
    """Send a task at once that is due in so many seconds, as the stock transport does."""
    body = envelope(due_in(bench, seconds), task_id)
    bench.sqs.send(bench.address(queue).url, OutgoingMessage(body=body, **how))
    return body


def parked(bench: Bench) -> list[ScheduledTask]:
    """Return what is in the schedule."""
    assert bench.coordination is not None
    schedule = bench.coordination.schedule
    return [
        task
        for lane in LANES
        for marker in schedule.markers(lane)
        for page in schedule.entries(marker.shard)
        for entry in page
        if (task := schedule.task_of(entry)) is not None
    ]
