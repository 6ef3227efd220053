"""Buckets as they are."""

from collections.abc import Iterator

from celery_aws.aws.bucket_examination import S3BucketExamination
from celery_aws.deployment import Deployment, PlannedBucket
from celery_aws.doctor.examined import ExaminedBucket
from celery_aws.doctor.look import look
from celery_aws.errors import UnreachableError


def buckets_of(deployment: Deployment) -> Iterator[ExaminedBucket]:
    """Examine the buckets of a deployment. Four requests each, one if it does not exist."""
    for planned in deployment.buckets:
        yield _examined(planned)


def _examined(planned: PlannedBucket) -> ExaminedBucket:
    examination = S3BucketExamination(planned.access)
    region = look(lambda: examination.region(planned.name))
    if region.missing or isinstance(region.error, UnreachableError):
        return ExaminedBucket(planned=planned, region=region)
    return ExaminedBucket(
        planned=planned,
        region=region,
        public_access_blocked=look(lambda: examination.public_access_blocked(planned.name)),
        policy=look(lambda: examination.policy(planned.name)),
        rules=look(lambda: examination.lifecycle(planned.name)),
    )
