"""Who makes queues, tables and buckets, and finds out whether they are as they should be.

It reads and writes no task, message or result. Deleting is something else again, and is left out
unless it is asked for.
"""

from collections.abc import Iterator

from celery_aws.deployment import PlannedBucket
from celery_aws.iam.allowing import allowing, in_region
from celery_aws.iam.document import Statement
from celery_aws.iam.resources import Resources

_QUEUE_ACTIONS = (
    "GetQueueUrl GetQueueAttributes ListQueueTags CreateQueue SetQueueAttributes TagQueue"
)
_TABLE_ACTIONS = (
    "DescribeTable DescribeTimeToLive DescribeContinuousBackups ListTagsOfResource CreateTable "
    "UpdateTable UpdateTimeToLive UpdateContinuousBackups TagResource"
)
_BUCKET_ACTIONS = (
    "ListBucket CreateBucket GetBucketPublicAccessBlock PutBucketPublicAccessBlock "
    "GetEncryptionConfiguration PutEncryptionConfiguration GetLifecycleConfiguration "
    "PutLifecycleConfiguration"
)


def provisioner(found: Resources, *, destroys: bool) -> Iterator[Statement]:
    """Yield the statements of a provisioner.

    Args:
        found: the resources.
        destroys: it may delete them too.
    """
    yield from allowing("MakeQueues", "sqs", _QUEUE_ACTIONS, found.own_queues)
    yield from allowing("LookAtQueues", "sqs", "GetQueueAttributes", found.predefined)
    tables = _own(found, (*found.results, *found.coordination))
    yield from allowing("MakeTables", "dynamodb", _TABLE_ACTIONS, tables)
    yield from allowing("MakeBuckets", "s3", _BUCKET_ACTIONS, _buckets(found))
    if destroys:
        yield from _destruction(found, tables)


def _destruction(found: Resources, tables: tuple[str, ...]) -> Iterator[Statement]:
    queues = tuple(dict.fromkeys((*found.own_queues, *found.inboxes)))
    yield from allowing("DeleteQueues", "sqs", "GetQueueAttributes DeleteQueue", queues)
    yield from _search(found)
    yield from allowing("DeleteTables", "dynamodb", "DeleteTable Scan", tables)
    yield from allowing("DeleteBuckets", "s3", "DeleteBucket", _buckets(found))


def _own(found: Resources, arns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in arns if not found.is_foreign(each))


def _buckets(found: Resources) -> tuple[str, ...]:
    buckets: tuple[PlannedBucket, ...] = found.deployment.buckets
    return tuple(dict.fromkeys(map(found.bucket, buckets)))


def _search(found: Resources) -> Iterator[Statement]:
    """Yield what finds inboxes that are left: ListQueues knows no resource, but a region."""
    broker = found.deployment.broker
    if broker is not None and found.inboxes:
        yield from allowing("FindInboxes", "sqs", "ListQueues", ("*",), in_region(broker.region))
