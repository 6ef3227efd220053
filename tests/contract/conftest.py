"""The services that must behave alike: the in-memory double, and boto3 on the local AWS."""

import uuid

import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.s3 import ObjectService, S3ObjectService, object_access
from celery_aws.aws.sqs import QueueService, SqsQueueService
from celery_aws.config.credentials import Credentials
from celery_aws.local import LocalAws
from celery_aws.names import BucketName, QueueName
from celery_aws.testing.memory_s3 import MemoryS3
from celery_aws.testing.memory_sqs import MemorySqs

READY_SECONDS = 30


@pytest.fixture(params=["memory", "local AWS"])
def queue_service(request: pytest.FixtureRequest) -> QueueService:
    if request.param == "memory":
        return MemorySqs()
    return SqsQueueService(local_access(request))


@pytest.fixture(params=["memory", "local AWS"])
def object_service(request: pytest.FixtureRequest, bucket: BucketName) -> ObjectService:
    if request.param == "memory":
        return MemoryS3(bucket)
    access = object_access(local_access(request))
    client_for("s3", access).create_bucket(Bucket=bucket)
    return S3ObjectService(access)


def local_access(request: pytest.FixtureRequest) -> Access:
    """Return the way to the local AWS; skip the test if that differs from AWS in its point."""
    difference = request.node.get_closest_marker("aws_only")
    if difference is not None:
        pytest.skip(f"the local AWS differs from AWS: {difference.args[0]}")
    local_aws: LocalAws = request.getfixturevalue("local_aws")
    return Access(
        region="us-east-1",
        endpoint_url=local_aws.endpoint_url,
        credentials=Credentials(access_key_id="test", secret_access_key="test"),
    )


@pytest.fixture
def name() -> QueueName:
    return QueueName(f"contract-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def bucket() -> BucketName:
    return BucketName(f"contract-{uuid.uuid4().hex[:12]}")
