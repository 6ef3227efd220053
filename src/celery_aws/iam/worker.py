"""Workers: they receive tasks and send others, move parked ones, keep results, answer commands.

Each may become the one that moves the parked tasks of all and removes inboxes left behind. Who
calls what: broker/reception.py, broker/settlement.py, broker/leases.py, broker/dead_letters.py,
broker/reaper.py, control/inbox.py, schedule/outbox.py, results/store.py, results/chord_ledger.py.
"""

from collections.abc import Iterator

from celery_aws.iam.allowing import allowing
from celery_aws.iam.document import Statement
from celery_aws.iam.inboxes import INBOX_ACTIONS, inbox_tags
from celery_aws.iam.objects import objects
from celery_aws.iam.resources import Resources

_QUEUE_ACTIONS = (
    "GetQueueUrl GetQueueAttributes SendMessage ReceiveMessage DeleteMessage "
    "ChangeMessageVisibility"
)
_COORDINATION_ACTIONS = "GetItem PutItem DeleteItem Query BatchGetItem BatchWriteItem"
_RESULT_ACTIONS = "GetItem PutItem UpdateItem DeleteItem BatchGetItem BatchWriteItem"


def worker(found: Resources) -> Iterator[Statement]:
    """Yield the statements of a worker."""
    yield from allowing("WorkOnTasks", "sqs", _QUEUE_ACTIONS, found.tasks)
    yield from allowing("MoveToDeadLetters", "sqs", "GetQueueUrl SendMessage", found.dead_letters)
    # By name, if it was made and nobody could write down where.
    actions = f"{INBOX_ACTIONS} GetQueueUrl {inbox_tags(found)}"
    yield from allowing("KeepInbox", "sqs", actions, found.inboxes)
    yield from allowing("ShareCoordination", "dynamodb", _COORDINATION_ACTIONS, found.coordination)
    yield from objects("Messages", found, "messages", "GetObject PutObject DeleteObject")
    yield from allowing("StoreResults", "dynamodb", _RESULT_ACTIONS, found.results)
    yield from objects("Results", found, "results", "GetObject PutObject DeleteObject")
