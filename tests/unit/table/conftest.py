"""A table on the in-memory double."""

import pytest

from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.names import TableName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

TABLE = TableName("results")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def service(clock: FakeClock) -> MemoryTableService:
    service = MemoryTableService(clock=clock)
    service.create_table(TABLE, TableSpec(hash_key=KeyAttribute(name="id")))
    service.requests.clear()
    return service
