"""The table services that must behave alike: the in-memory double, and boto3 on the local AWS."""

import uuid

import pytest

from celery_aws.aws.dynamodb import DynamoTableService, TableService
from celery_aws.names import TableName
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.contract.conftest import local_access


@pytest.fixture(scope="module", params=["memory", "local_aws"])
def service(request: pytest.FixtureRequest) -> TableService:
    if request.param == "memory":
        return MemoryTableService()
    return DynamoTableService(local_access(request))


@pytest.fixture(autouse=True)
def _skip_what_the_local_aws_does_not_do(
    request: pytest.FixtureRequest, service: TableService
) -> None:
    difference = request.node.get_closest_marker("aws_only")
    if difference is not None and isinstance(service, DynamoTableService):
        pytest.skip(f"the local AWS differs from AWS: {difference.args[0]}")


def new_name() -> TableName:
    return TableName(f"table-{uuid.uuid4().hex[:12]}")
