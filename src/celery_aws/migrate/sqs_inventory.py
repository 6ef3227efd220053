"""What is in the queues of an app on SQS, and in its schedule; for the way back."""

from collections.abc import Collection, Mapping
from typing import Any

from celery_aws.broker import Transport
from celery_aws.broker.directory import QueueDirectory
from celery_aws.core.priorities import step_number
from celery_aws.core.queue_depth import DEPTH_ATTRIBUTES, QueueDepth, queue_depth
from celery_aws.deployment import declare_priorities, deployment_of
from celery_aws.migrate.inventory import Inventory, QueueCount
from celery_aws.migrate.old_app import address
from celery_aws.migrate.parked_source import claimed_tasks
from celery_aws.migrate.sqs_messages import number_of_priority
from celery_aws.names import AmqpQueue
from celery_aws.schedule.queries import ScheduleQueries


def sqs_inventory(
    app: Any,
    *,
    queues: Collection[AmqpQueue] | None = None,
    look: bool = True,  # noqa: ARG001 - a look at a message of SQS is a receive
) -> Inventory:
    """Return what is in an app's queues on SQS; nothing is received.

    Args:
        app: the app.
        queues: only these, by Celery's names; None is all that the app names.
        look: as of other brokers; it makes no difference.

    Raises:
        AwsError: AWS did not answer, or refused.

    Costs one GetQueueAttributes for each SQS queue, and one Query for each shard of the schedule.
    """
    named = dict.fromkeys(
        each.serves for each in deployment_of(app).queues if each.serves is not None
    )
    with app.connection_for_write() as connection:
        transport: Transport = connection.transport
        declare_priorities(app, transport.directory)
        parked, claimed = _parked(transport)
        wanted = dict.fromkeys(queues) if queues is not None else {**named, **dict.fromkeys(parked)}
        counts = [_count(transport.directory, queue, parked) for queue in wanted]
    return Inventory(
        source=address(app.connection_for_write().as_uri()),
        server="Amazon SQS",
        queues=tuple(each for each in counts if each is not None),
        claimed=claimed,
    )


def _parked(transport: Transport) -> tuple[Mapping[AmqpQueue, int], int]:
    """Return how many tasks are parked for each queue, and how many a run has claimed."""
    if transport.coordination is None:
        return {}, 0
    counts: dict[AmqpQueue, int] = {}
    for step, count in ScheduleQueries(transport.coordination.schedule).queues().items():
        queue = transport.directory.base(step)
        counts[queue] = counts.get(queue, 0) + count
    return counts, claimed_tasks(transport.coordination)


def _count(
    directory: QueueDirectory, queue: AmqpQueue, parked: Mapping[AmqpQueue, int]
) -> QueueCount | None:
    depths = {
        step: depth
        for step in directory.priority_queues(queue)
        if (depth := _depth(directory, step)) is not None
    }
    if not depths and queue not in parked:
        return None
    highest = directory.priorities(queue).highest
    waiting: dict[int, int] = {}
    for step, depth in depths.items():
        number = number_of_priority(step_number(step), highest_number=highest) or 0
        waiting[number] = waiting.get(number, 0) + depth.visible
    return QueueCount(
        queue=queue,
        waiting=waiting,
        held=sum(each.in_flight for each in depths.values()),
        delayed=sum(each.delayed for each in depths.values()) + parked.get(queue, 0),
    )


def _depth(directory: QueueDirectory, step: AmqpQueue) -> QueueDepth | None:
    found = directory.existing(step)
    if found is None:
        return None
    return queue_depth(found.service.queue_attributes(found.url, DEPTH_ATTRIBUTES))
