"""The services that must behave alike: the in-memory double, and boto3 on the local AWS.

Tables also on AWS's own DynamoDB Local, if the variable CELERY_AWS_DYNAMODB_LOCAL names a folder
with it. What one of them does not do as AWS does is marked: ``aws_only`` for the local AWS,
``not_in_dynamodb_local`` for the other.
"""

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.dynamodb import DynamoTableService, TableService
from celery_aws.aws.s3 import ObjectService, S3ObjectService, object_access
from celery_aws.aws.sqs import QueueService, SqsQueueService
from celery_aws.config.credentials import Credentials
from celery_aws.local import LocalAws
from celery_aws.names import BucketName, QueueName
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_s3 import MemoryS3
from celery_aws.testing.memory_sqs import MemorySqs
from tests.contract.dynamodb_local.server import DynamoDbLocal, folder

READY_SECONDS = 30

#: What answers for DynamoDB over the wire.
TABLE_SERVERS = ["local_aws"] if folder() is None else ["local_aws", "dynamodb_local"]

TABLE_SERVICES = ["memory", *TABLE_SERVERS]

#: Behind the name of a server: every request goes through boto3.
BY_BOTO3 = "_by_boto3"


@pytest.fixture(params=["memory", "local AWS", "local AWS by boto3"])
def queue_service(request: pytest.FixtureRequest) -> QueueService:
    if request.param == "memory":
        return MemorySqs()
    access = local_access(request)
    return SqsQueueService(replace(access, direct_requests=request.param == "local AWS"))


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


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[DynamoDbLocal]:
    """Run DynamoDB Local for the whole session."""
    libraries = folder()
    assert libraries is not None
    server = DynamoDbLocal(libraries)
    server.start()
    yield server
    server.stop()


def table_service(request: pytest.FixtureRequest) -> TableService:
    """Return the service that ``request.param``, one of :data:`TABLE_SERVICES`, names."""
    if request.param == "memory":
        return MemoryTableService()
    return DynamoTableService(table_access(request))


def table_access(request: pytest.FixtureRequest) -> Access:
    """Return the way to the server that ``request.param``, one of TABLE_SERVERS, names."""
    name: str = request.param
    server: LocalAws | DynamoDbLocal = request.getfixturevalue(name.removesuffix(BY_BOTO3))
    return Access(
        region="us-east-1",
        endpoint_url=server.endpoint_url,
        credentials=Credentials(access_key_id="test", secret_access_key="test"),
        direct_requests=not name.endswith(BY_BOTO3),
    )


@pytest.fixture(autouse=True)
def _skip_what_a_table_server_does_not_do(request: pytest.FixtureRequest) -> None:
    for server, marker in (("local_aws", "aws_only"), ("dynamodb_local", "not_in_dynamodb_local")):
        difference = request.node.get_closest_marker(marker)
        callspec = getattr(request.node, "callspec", None)
        parameters = [] if callspec is None else callspec.params.values()
        if difference and (server in parameters or f"{server}{BY_BOTO3}" in parameters):
            pytest.skip(f"{server} differs from AWS: {difference.args[0]}")


@pytest.fixture
def name() -> QueueName:
    return QueueName(f"contract-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def bucket() -> BucketName:
    return BucketName(f"contract-{uuid.uuid4().hex[:12]}")
