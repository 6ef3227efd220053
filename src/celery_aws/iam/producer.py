"""Who sends tasks and waits for results: web processes, beat, scripts.

What it may not do: receive tasks, forge the result of a task, command workers. Who calls what:
broker/departures.py, broker/queue_attributes.py, broker/publishing.py, control/routes.py,
results/store.py, results/chords.py, results/large_results.py.
"""

from collections.abc import Iterator

from celery_aws.iam import keys
from celery_aws.iam.allowing import allowing
from celery_aws.iam.document import Statement
from celery_aws.iam.inboxes import INBOX_ACTIONS, inbox_tags
from celery_aws.iam.objects import objects
from celery_aws.iam.resources import Resources


def producer(found: Resources) -> Iterator[Statement]:
    """Yield the statements of a producer."""
    yield from allowing(
        "SendTasks", "sqs", "GetQueueUrl GetQueueAttributes SendMessage", found.tasks
    )
    parked = keys.with_leading_keys(keys.PARKED, keys.PARTS_OF_PARKED)
    yield from allowing("ParkTasks", "dynamodb", "PutItem", found.coordination, parked)
    yield from _through_inboxes(found)
    # Deleted, if SQS refuses what points to it.
    yield from objects("Messages", found, "messages", "PutObject DeleteObject")
    yield from _results(found)


def _through_inboxes(found: Resources) -> Iterator[Statement]:
    """Yield what it takes to publish to an exchange, and to processes.

    Who may send to processes may command them.
    """
    deployment = found.deployment
    bindings = keys.with_leading_keys(keys.BINDINGS)
    if deployment.returns_results_by_message:
        actions = f"{INBOX_ACTIONS} {inbox_tags(found)}"
        yield from allowing("KeepInbox", "sqs", actions, found.inboxes)
        own = keys.with_leading_keys(keys.BINDINGS, keys.INBOXES)
        actions = "PutItem DeleteItem Query BatchWriteItem"
        yield from allowing("RegisterInbox", "dynamodb", actions, found.coordination, own)
        return
    yield from allowing("FindBindings", "dynamodb", "Query", found.coordination, bindings)
    if deployment.transient or deployment.sends_sent_events:
        yield from allowing("SendToInboxes", "sqs", "SendMessage", found.inboxes)


def _results(found: Resources) -> Iterator[Statement]:
    table = found.results
    yield from allowing("ReadResults", "dynamodb", "GetItem BatchGetItem", table)
    yield from allowing(
        "SaveGroupsAndChords",
        "dynamodb",
        "PutItem UpdateItem",
        table,
        keys.groups_and_chords(found.deployment.result_keys),
    )
    yield from allowing("ForgetResults", "dynamodb", "DeleteItem", table)
    pieces = keys.with_leading_keys(keys.PIECES)
    yield from allowing("KeepPieces", "dynamodb", "BatchWriteItem", table, pieces)
    yield from objects("Results", found, "results", "GetObject PutObject DeleteObject")
