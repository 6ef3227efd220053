"""The table services that must behave alike."""

import uuid

import pytest

from celery_aws.aws.dynamodb import TableService
from celery_aws.names import TableName
from tests.contract.conftest import BY_BOTO3, TABLE_SERVERS, TABLE_SERVICES, table_service


@pytest.fixture(
    scope="module", params=[*TABLE_SERVICES, *(f"{server}{BY_BOTO3}" for server in TABLE_SERVERS)]
)
def service(request: pytest.FixtureRequest) -> TableService:
    return table_service(request)


def new_name() -> TableName:
    return TableName(f"table-{uuid.uuid4().hex[:12]}")
