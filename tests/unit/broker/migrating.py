"""Copies of messages as a migration sends them; what the tests of doubles share."""

from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.migration_marks import mark_migrated, task_key
from celery_aws.names import AmqpQueue
from tests.unit.broker.conftest import QUEUE, Bench


def copy_of(task_id: str, copy_id: str, body: str | None = None) -> OutgoingMessage:
    """Return one copy; its body is the ids, unless it is given."""
    message = OutgoingMessage(body=f"{task_id}/{copy_id}" if body is None else body)
    key = task_key(task_id, source_key=f"tag of {task_id}")
    return mark_migrated(message, task_key=key, copy_id=copy_id)


def migrate(bench: Bench, task_id: str, *copy_ids: str, queue: AmqpQueue = QUEUE) -> None:
    """Send copies of one message."""
    for copy_id in copy_ids:
        bench.sqs.send(bench.address(queue).url, copy_of(task_id, copy_id))
