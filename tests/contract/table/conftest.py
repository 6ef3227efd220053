"""Coordination tables on what must behave alike: the in-memory double, and the local AWS."""

import uuid

import pytest

from celery_aws.aws.dynamodb import DynamoTableService, TableService
from celery_aws.clock import SystemClock
from celery_aws.names import TableName
from celery_aws.table.coordination import CoordinationTable
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.contract.conftest import local_access


@pytest.fixture(scope="module", params=["memory", "local_aws"])
def service(request: pytest.FixtureRequest) -> TableService:
    if request.param == "memory":
        return MemoryTableService()
    return DynamoTableService(local_access(request))


def new_table(service: TableService, *, creates: bool = True) -> CoordinationTable:
    """Return a coordination table that nobody has made yet."""
    name = TableName(f"coordination-{uuid.uuid4().hex[:12]}")
    return CoordinationTable(service=service, name=name, creates=creates, clock=SystemClock())


@pytest.fixture
def table(service: TableService) -> CoordinationTable:
    return new_table(service)
