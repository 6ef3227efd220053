import pytest
from celery import Celery

from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.errors import ConfigurationError
from celery_aws.names import TableName
from celery_aws.results.table import create_table
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

TABLE = TableName("results")


@pytest.fixture
def service(clock: FakeClock) -> MemoryTableService:
    return MemoryTableService(clock=clock)


def test_the_apps_table_is_made_on_demand_with_expiry(
    app: Celery, service: MemoryTableService, clock: FakeClock
) -> None:
    report = create_table(app, service=service, clock=clock)
    assert (report.table, report.created, report.ttl_enabled) == (TABLE, True, True)
    assert report.on_demand
    assert service.describe_table(TABLE).key == (KeyAttribute(name="id"),)
    assert service.describe_ttl(TABLE).attribute == "ttl"


def test_capacity_of_the_url(app: Celery, service: MemoryTableService, clock: FakeClock) -> None:
    app.conf.result_backend = "aws+dynamodb://@eu-west-1/results?read=1&write=1"
    assert not create_table(app, service=service, clock=clock).on_demand


def test_a_table_that_is_there_costs_two_requests(
    app: Celery, service: MemoryTableService, clock: FakeClock
) -> None:
    create_table(app, service=service, clock=clock)
    service.requests.clear()
    report = create_table(app, service=service, clock=clock)
    assert (report.created, report.ttl_enabled) == (False, False)
    assert service.requests == {"DescribeTable": 1, "DescribeTimeToLive": 1}


def test_errors_name_the_setting(
    app: Celery, service: MemoryTableService, clock: FakeClock
) -> None:
    service.create_table(TABLE, TableSpec(hash_key=KeyAttribute(name="pk")))
    message = r"^result_backend: .*; the results table needs id"
    with pytest.raises(ConfigurationError, match=message):
        create_table(app, service=service, clock=clock)
