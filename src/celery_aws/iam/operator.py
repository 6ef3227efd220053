"""Who looks after queues by hand: ``celery aws dlq``, ``cleanup``, ``queues`` and ``backlog``.

A monitor, who may also take dead letters out, send them to the queues that they came from, and
delete what others left behind. It reads what went wrong with tasks, and no messages but dead
letters. Who calls what: dlq/queues.py, dlq/looking.py, dlq/moving.py, dlq/redrive_task.py,
dlq/result_errors.py, queues/cleaning.py. Facts: "Dead-letter queue redrive" in the SQS developer
guide: who starts a message move needs ReceiveMessage, DeleteMessage and GetQueueAttributes on its
source and SendMessage on its destination.
"""

from collections.abc import Iterator

from celery_aws.core.queue_names import queue_name
from celery_aws.iam.allowing import allowing, in_region
from celery_aws.iam.document import Statement
from celery_aws.iam.monitor import monitor
from celery_aws.iam.objects import objects
from celery_aws.iam.resources import Resources
from celery_aws.names import AmqpQueue, QueueName

_DEAD_LETTER_ACTIONS = (
    "ReceiveMessage DeleteMessage ChangeMessageVisibility ListDeadLetterSourceQueues "
    "StartMessageMoveTask ListMessageMoveTasks CancelMessageMoveTask"
)

#: What the stock transport leaves behind, behind the prefix (celery_aws.queues.leftovers).
_OF_STOCK = ("celeryev-*", "*-celery-pidbox")


def operator(found: Resources, *, ages: bool) -> Iterator[Statement]:
    """Yield the statements of an operator.

    Args:
        found: the resources.
        ages: it asks CloudWatch how old messages are.
    """
    yield from monitor(found, ages=ages)
    yield from allowing("TakeDeadLetters", "sqs", _DEAD_LETTER_ACTIONS, found.dead_letters)
    yield from allowing("SendBack", "sqs", "SendMessage", found.tasks)
    yield from objects("Messages", found, "messages", "GetObject DeleteObject")
    yield from allowing("ReadErrors", "dynamodb", "BatchGetItem", found.results)
    yield from objects("Results", found, "results", "GetObject")
    yield from _cleanup(found)


def _cleanup(found: Resources) -> Iterator[Statement]:
    options, broker = found.deployment.options, found.deployment.broker
    if options is None or broker is None:
        return
    prefix = queue_name(AmqpQueue(options.queue_name_prefix))
    names = (QueueName(f"{prefix}{each}") for each in _OF_STOCK)
    stock = tuple(found.identity.queue_arn(broker.region, each) for each in names)
    yield from allowing(
        "RemoveLeftovers", "sqs", "GetQueueAttributes ReceiveMessage DeleteQueue", stock
    )
    # A monitor may delete them.
    yield from allowing("LookAtInboxes", "sqs", "GetQueueAttributes", found.inboxes)
    here = in_region(broker.region)
    yield from allowing("FindLeftovers", "sqs", "ListQueues", ("*",), here)
