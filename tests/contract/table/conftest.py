"""Coordination tables on what must behave alike."""

import uuid
from collections import Counter
from collections.abc import Callable

import pytest

from celery_aws.aws.dynamodb import TableService
from celery_aws.aws.meter import request_counts
from celery_aws.clock import SystemClock
from celery_aws.names import TableName
from celery_aws.table.coordination import CoordinationTable
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.contract.conftest import TABLE_SERVICES, table_service


@pytest.fixture(scope="module", params=TABLE_SERVICES)
def service(request: pytest.FixtureRequest) -> TableService:
    return table_service(request)


def new_table(service: TableService, *, creates: bool = True) -> CoordinationTable:
    """Return a coordination table that nobody has made yet."""
    name = TableName(f"coordination-{uuid.uuid4().hex[:12]}")
    return CoordinationTable(service=service, name=name, creates=creates, clock=SystemClock())


@pytest.fixture
def table(service: TableService) -> CoordinationTable:
    return new_table(service)


@pytest.fixture
def made_table(table: CoordinationTable) -> CoordinationTable:
    """Return a table that is there."""
    table.create()
    return table


#: Does something, and returns how many requests of which operation that took.
Requests = Callable[[Callable[[], object]], dict[str, int]]


@pytest.fixture
def requests(service: TableService) -> Requests:
    def so_far() -> Counter[str]:
        if isinstance(service, MemoryTableService):
            return Counter(service.requests)
        names = request_counts().items()
        return Counter({name.removeprefix("dynamodb."): count for name, count in names})

    def of(do: Callable[[], object]) -> dict[str, int]:
        before = so_far()
        do()
        return dict(so_far() - before)

    return of
