"""Who watches and commands workers: Flower, ``inspect``, ``control``, events, an exporter.

It neither sends tasks nor reads results. Who calls what: control/control_plane.py,
control/inbox.py, control/replies.py, table/revocations.py, broker/queue_depths.py,
schedule/queries.py, table/usage.py.
"""

from collections.abc import Iterator

from celery_aws.iam import keys
from celery_aws.iam.allowing import allowing, in_region
from celery_aws.iam.document import Statement
from celery_aws.iam.inboxes import INBOX_ACTIONS, inbox_tags
from celery_aws.iam.resources import Resources


def monitor(found: Resources, *, ages: bool) -> Iterator[Statement]:
    """Yield the statements of a monitor.

    Args:
        found: the resources.
        ages: it asks CloudWatch how old messages are, which has no rights on single queues.
    """
    queues = tuple(dict.fromkeys((*found.tasks, *found.dead_letters)))
    yield from allowing("WatchQueues", "sqs", "GetQueueUrl GetQueueAttributes", queues)
    broker = found.deployment.broker
    if ages and broker is not None:
        action, here = "GetMetricStatistics", in_region(broker.region)
        yield from allowing("ReadAges", "cloudwatch", action, ("*",), here)
    actions = f"{INBOX_ACTIONS} {inbox_tags(found)}"
    yield from allowing("KeepInbox", "sqs", actions, found.inboxes)
    commands = keys.with_leading_keys(keys.BINDINGS, keys.INBOXES, keys.REPLIES, keys.REVOKED)
    yield from allowing(
        "CommandWorkers",
        "dynamodb",
        "PutItem DeleteItem Query BatchWriteItem",
        found.coordination,
        commands,
    )
    parked = keys.with_leading_keys(keys.PARKED)
    yield from allowing("CountParkedTasks", "dynamodb", "Query", found.coordination, parked)
    usage = keys.with_leading_keys(keys.USAGE)
    yield from allowing("ReadUsage", "dynamodb", "Query", found.coordination, usage)
