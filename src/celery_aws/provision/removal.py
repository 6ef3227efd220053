"""Takes a deployment away. Killed at any place and run again, it goes on."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from celery_aws.aws.bucket_administration import BucketAdministration
from celery_aws.aws.table_administration import TableAdministration
from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff
from celery_aws.errors import (
    AlreadyExistsError,
    InvalidRequestError,
    QueueNotFoundError,
    TableNotFoundError,
    UnreachableError,
)
from celery_aws.names import TableName
from celery_aws.provision.bucket_rules import without_rules
from celery_aws.provision.outcomes import Say
from celery_aws.provision.remains import RemainingBucket, RemainingQueue, RemainingTable, Remains
from celery_aws.provision.services import Services
from celery_aws.provision.table_changes import until_active

#: How long a table may take to be gone.
REMOVAL_DEADLINE_SECONDS = 300.0

_POLLS = Backoff(base_seconds=0.2, cap_seconds=5.0)

_NOT_EMPTY = "BucketNotEmpty"


def remove(remains: Remains, services: Services, *, done: Callable[[str], None], say: Say) -> None:
    """Take away what there is, whatever is in it; but never a bucket with an object.

    Args:
        remains: what there is; :meth:`Remains.refusals` says whether it may go.
        services: ask AWS.
        done: told of what is gone.
        say: told why something takes long.

    Raises:
        AwsError: AWS refused; what came before is gone.

    Costs one request for each queue; one and a few looks for each table; up to three for a bucket.
    """
    for queue in remains.queues:
        _remove_queue(queue, services)
        done(f"queue {queue.name}: deleted")
    for table in remains.tables:
        _remove_table(table, services, say)
        done(f"table {table.name}: deleted")
    for bucket in remains.buckets:
        done(f"bucket {bucket.name}: {_remove_bucket(bucket, services)}")


def _remove_queue(queue: RemainingQueue, services: Services) -> None:
    with suppress(QueueNotFoundError):
        services.queues(queue.access).delete_queue(queue.url)


def _remove_table(table: RemainingTable, services: Services, say: Say) -> None:
    service = services.tables(table.access)
    try:
        if not table.is_ending:
            until_active(service, table.name, services.clock, say)
            service.delete_table(table.name)
    except AlreadyExistsError:
        say(f"{table.name} is being deleted by another")
    except TableNotFoundError:
        return
    _until_gone(service, table.name, services.clock)


def _until_gone(service: TableAdministration, table: TableName, clock: Clock) -> None:
    deadline = clock.monotonic() + REMOVAL_DEADLINE_SECONDS
    attempt = 0
    while clock.monotonic() < deadline:
        try:
            service.details(table)
        except TableNotFoundError:
            return
        clock.sleep(_POLLS.bound_seconds(attempt))
        attempt += 1
    raise UnreachableError(
        f"the table is not gone after {REMOVAL_DEADLINE_SECONDS:.0f} s",
        service="dynamodb",
        operation="DescribeTable",
        resource=table,
        remedy="Look at the table in the AWS console and run the command again",
    )


def _remove_bucket(bucket: RemainingBucket, services: Services) -> str:
    """Remove our rules, and the bucket if nobody uses it; return what became of it."""
    service = services.buckets(bucket.access)
    if bucket.goes and _delete(service, bucket):
        return "deleted"
    if not bucket.rules:
        return "left"
    lifecycle = service.lifecycle(bucket.name)
    rules = without_rules(lifecycle.rules, bucket.rules)
    service.set_lifecycle(bucket.name, replace(lifecycle, rules=rules))
    return "left, without our lifecycle rules"


def _delete(service: BucketAdministration, bucket: RemainingBucket) -> bool:
    try:
        service.delete(bucket.name)
    except InvalidRequestError as error:
        if error.code != _NOT_EMPTY:  # somebody has put something there since, or old versions are
            raise
        return False
    return True
