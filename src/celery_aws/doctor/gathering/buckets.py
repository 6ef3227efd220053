"""Buckets as they are."""

from collections.abc import Iterator

from celery_aws.aws.bucket_administration import S3BucketAdministration
from celery_aws.aws.bucket_policies import bucket_policy
from celery_aws.core.lifecycle_rules import LifecycleRule, lifecycle_rule
from celery_aws.deployment import Deployment, PlannedBucket
from celery_aws.doctor.examined import ExaminedBucket
from celery_aws.doctor.look import look
from celery_aws.errors import BucketNotFoundError, UnreachableError


def buckets_of(deployment: Deployment) -> Iterator[ExaminedBucket]:
    """Examine the buckets of a deployment. Four requests each, one if it does not exist."""
    for planned in deployment.buckets:
        yield _examined(planned)


def _examined(planned: PlannedBucket) -> ExaminedBucket:
    bucket, service = planned.name, S3BucketAdministration(planned.access)

    def region() -> str:
        found = service.region(bucket)
        if found is None:
            raise BucketNotFoundError("there is no such bucket", resource=bucket)
        return found

    def rules() -> tuple[LifecycleRule, ...]:
        return tuple(map(lifecycle_rule, service.lifecycle(bucket).rules))

    where = look(region)
    if where.missing or isinstance(where.error, UnreachableError):
        return ExaminedBucket(planned=planned, region=where)
    return ExaminedBucket(
        planned=planned,
        region=where,
        public_access_blocked=look(lambda: service.is_public_access_blocked(bucket)),
        policy=look(lambda: bucket_policy(bucket, planned.access)),
        rules=look(rules),
    )
