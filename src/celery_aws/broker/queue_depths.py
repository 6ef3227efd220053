"""How many messages are in a queue as Celery knows it: in the SQS queues of all its priorities.

For whoever watches; nothing here creates a queue.
"""

from celery_aws.broker.directory import QueueDirectory
from celery_aws.core.queue_depth import DEPTH_ATTRIBUTES, QueueDepth, queue_depth
from celery_aws.errors import QueueNotFoundError
from celery_aws.names import AmqpQueue


def depth_of_queue(directory: QueueDirectory, queue: AmqpQueue) -> QueueDepth | None:
    """Return how many messages ``queue`` has, with those of its priorities.

    Args:
        directory: knows where the queue is, and which priorities it has.
        queue: by Celery's name.

    Returns:
        None if SQS has no such queue (yet).

    Raises:
        AwsError: SQS did not answer, or refused.
        ConfigurationError: SQS could not have a queue of this name.

    Costs one GetQueueAttributes for each priority, and until it is known where the queue is one
    GetQueueUrl.
    """
    depths = [_depth_of_one(directory, each) for each in directory.priority_queues(queue)]
    found = [depth for depth in depths if depth is not None]
    return sum(found, QueueDepth()) if found else None


def _depth_of_one(directory: QueueDirectory, queue: AmqpQueue) -> QueueDepth | None:
    address = directory.existing(queue)
    if address is None:
        return None
    try:
        return queue_depth(address.service.queue_attributes(address.url, DEPTH_ATTRIBUTES))
    except QueueNotFoundError:
        directory.forget(queue)
        return None
