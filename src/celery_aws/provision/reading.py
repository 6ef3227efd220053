"""Reads what AWS has of a deployment.

Costs one request for what is missing; three for a queue (GetQueueUrl, GetQueueAttributes,
ListQueueTags), four for a table (DescribeTable, DescribeTimeToLive, DescribeContinuousBackups,
ListTagsOfResource), and for one with an alias of a KMS key DescribeKey; three for a bucket
(HeadBucket, GetBucketLifecycleConfiguration, ListObjectsV2 of one), five for an empty one
(GetPublicAccessBlock, GetBucketEncryption).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from celery_aws.aws.access import Access
from celery_aws.aws.queue_administration import ALL_ATTRIBUTES, QueueAdministration
from celery_aws.aws.table_administration import TableAdministration, TableDetails
from celery_aws.core.queue_names import name_problem
from celery_aws.core.queue_plan import PlannedQueue
from celery_aws.deployment import Deployment, PlannedTable
from celery_aws.errors import AccessDeniedError, QueueNotFoundError, TableNotFoundError
from celery_aws.names import BucketName, QueueName
from celery_aws.provision.found import Found, FoundBucket, FoundQueue, FoundTable
from celery_aws.provision.queue_attributes import key_name
from celery_aws.provision.services import Services
from celery_aws.provision.table_steps import is_of_others

#: Told the name of what is looked at next.
Progress = Callable[[str], None]

_ALIAS = "alias/"


def read(deployment: Deployment, services: Services, progress: Progress = lambda _: None) -> Found:
    """Return what there is of a deployment.

    Args:
        deployment: what an app needs.
        services: ask AWS.
        progress: told what is looked at.

    Raises:
        AwsError: AWS refused; what is not the app's own to make may be refused.
    """
    queues: dict[QueueName, FoundQueue] = {}
    for queue in deployment.queues:
        progress(f"queue {queue.name}")
        there = read_queue(services.queues(deployment.access_of(queue)), queue)
        if there is not None:
            queues[queue.name] = there
    tables: dict[Literal["results", "coordination"], FoundTable] = {}
    for table in deployment.tables:
        progress(f"table {table.name}")
        found = read_table(services, table)
        if found is not None:
            tables[table.kind] = found
    buckets: dict[BucketName, FoundBucket] = {}
    for name, access in {each.name: each.access for each in deployment.buckets}.items():
        progress(f"bucket {name}")
        bucket = read_bucket(services, name, access)
        if bucket is not None:
            buckets[name] = bucket
    return Found(queues=queues, tables=tables, buckets=buckets)


def read_queue(service: QueueAdministration, planned: PlannedQueue) -> FoundQueue | None:
    """Return a queue, or None."""
    if planned.url is None and name_problem(planned.name) is not None:
        return None
    try:
        url = service.queue_url(planned.name) if planned.url is None else planned.url
        attributes = service.queue_attributes(url, ALL_ATTRIBUTES)
        tags = {} if planned.url is not None else service.queue_tags(url)
        return FoundQueue(url=url, attributes=attributes, tags=tags)
    except QueueNotFoundError:
        return None
    except AccessDeniedError as error:
        if planned.url is None:
            raise
        return FoundQueue(url=planned.url, refusal=error.reason)


def read_table(services: Services, planned: PlannedTable) -> FoundTable | None:
    """Return a table, or None."""
    service = services.tables(planned.access)
    try:
        details = service.details(planned.name)
        if is_of_others(planned):
            return FoundTable(details=details, ttl=service.describe_ttl(planned.name))
        return _own_table(services, service, planned, details)
    except TableNotFoundError:
        return None
    except AccessDeniedError as error:
        if not is_of_others(planned):
            raise
        return FoundTable(details=None, refusal=error.reason)


def read_bucket(services: Services, name: BucketName, access: Access) -> FoundBucket | None:
    """Return a bucket, or None."""
    service = services.buckets(access)
    region = service.region(name)
    if region is None:
        return None
    if region != access.region:
        # Nothing of it can be used from here.
        return FoundBucket(region=region, has_objects=True)
    found = FoundBucket(
        region=region,
        lifecycle=service.lifecycle(name),
        has_objects=service.has_objects(name),
    )
    if not found.is_new:
        return found
    return replace(
        found,
        public_access_blocked=service.is_public_access_blocked(name),
        encrypted=service.is_encrypted(name),
    )


def _own_table(
    services: Services, service: TableAdministration, planned: PlannedTable, details: TableDetails
) -> FoundTable:
    return FoundTable(
        details=details,
        ttl=service.describe_ttl(planned.name),
        recovery=service.recovery(planned.name),
        tags=service.tags(details.arn),
        kms_names=_kms_names(services, planned, details),
    )


def _kms_names(services: Services, planned: PlannedTable, found: TableDetails) -> frozenset[str]:
    """Return the alias that the table shall have, if it stands for the key that it has."""
    wanted = planned.spec.kms_key
    if wanted is None or found.kms_key is None or _ALIAS not in wanted:
        return frozenset()
    if key_name(wanted) == key_name(found.kms_key):
        return frozenset({wanted})
    arn = services.keys(planned.access).key_arn(wanted)
    return frozenset({wanted} if key_name(arn) == key_name(found.kms_key) else ())
