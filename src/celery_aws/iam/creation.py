"""What processes need in addition where they make what is missing, at its first use.

By default policies take it that an operator has made queues and tables. Who calls what:
broker/creation.py, table/creation.py.
"""

from collections.abc import Iterator

from celery_aws.core.queue_plan import QueueRole
from celery_aws.deployment import PlannedTable
from celery_aws.iam.allowing import allowing
from celery_aws.iam.document import Statement
from celery_aws.iam.resources import Resources


def queue_creation(found: Resources) -> Iterator[Statement]:
    """Yield what ``create_missing_queues`` takes."""
    options = found.deployment.options
    if options is None or not options.create_missing_queues:
        return
    tags = "TagQueue" if options.queue_tags else ""
    actions = f"CreateQueue GetQueueUrl GetQueueAttributes {tags}"
    queues = [each for each in found.deployment.with_role(*QueueRole) if each.predefined is None]
    yield from allowing("CreateQueues", "sqs", actions, tuple(map(found.queue, queues)))


def table_creation(found: Resources, *tables: PlannedTable | None) -> Iterator[Statement]:
    """Yield what the creation of tables takes, for those whose users may create them."""
    created = [each for each in tables if each is not None and each.created_when_missing]
    own = [each for each in created if not found.is_foreign(found.table(each))]
    names = ["DescribeTable", "CreateTable", "DescribeTimeToLive", "UpdateTimeToLive"]
    if any(each.spec.tags for each in own):
        names.append("TagResource")
    if any(each.spec.point_in_time_recovery for each in own):
        names.append("UpdateContinuousBackups")
    arns = tuple(map(found.table, own))
    yield from allowing("CreateTables", "dynamodb", " ".join(names), arns)
