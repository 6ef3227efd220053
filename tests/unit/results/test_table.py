import pytest
from celery import Celery

from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.errors import (
    AccessDeniedError,
    ConfigurationError,
    InvalidRequestError,
    UnreachableError,
)
from celery_aws.names import TableName
from celery_aws.results.items import table_spec
from celery_aws.results.table import CREATION_DEADLINE_SECONDS, create_table, ensure_table
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

TABLE = TableName("results")
SPEC = table_spec(read_capacity=None, write_capacity=None)


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


def test_it_waits_until_the_table_can_be_used(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.creation_seconds = 12
    assert ensure_table(service, TABLE, SPEC, clock=clock).created
    assert 12 <= sum(clock.sleeps) < 15


def test_it_waits_for_a_table_that_another_process_is_creating(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.creation_seconds = 5
    service.create_table(TABLE, SPEC)
    report = ensure_table(service, TABLE, SPEC, clock=clock)
    assert (report.created, report.ttl_enabled) == (False, True)


def test_it_does_not_wait_for_ever(service: MemoryTableService, clock: FakeClock) -> None:
    service.creation_seconds = 10_000
    with pytest.raises(UnreachableError, match=r"results: the table is not active after 120 s"):
        ensure_table(service, TABLE, SPEC, clock=clock)
    assert CREATION_DEADLINE_SECONDS <= sum(clock.sleeps) < CREATION_DEADLINE_SECONDS + 5


def test_another_primary_key_is_one_clear_error(
    service: MemoryTableService, clock: FakeClock
) -> None:
    keys = (KeyAttribute(name="pk"), KeyAttribute(name="sk", kind="N"))
    service.create_table(TABLE, TableSpec(hash_key=keys[0], range_key=keys[1]))
    with pytest.raises(ConfigurationError, match=r"'results' has .*pk \(S\), sk \(N\).*id \(S\)"):
        ensure_table(service, TABLE, SPEC, clock=clock)


def test_another_expiry_attribute_is_one_clear_error(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.create_table(TABLE, SPEC)
    service.enable_ttl(TABLE, "expires")
    with pytest.raises(ConfigurationError, match=r"expire by the attribute 'expires'.*'ttl'"):
        ensure_table(service, TABLE, SPEC, clock=clock)


def test_losing_the_race_to_create_is_fine(clock: FakeClock) -> None:
    service = BeatenToIt(clock=clock)
    report = ensure_table(service, TABLE, SPEC, clock=clock)
    assert (report.created, report.ttl_enabled) == (False, False)


def test_a_refusal_to_switch_expiry_on_is_an_error(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.create_table(TABLE, SPEC)
    for error in (InvalidRequestError("modified too often"), AccessDeniedError("no")):
        service.fail_next("UpdateTimeToLive", error)
        with pytest.raises(type(error)):
            ensure_table(service, TABLE, SPEC, clock=clock)


class BeatenToIt(MemoryTableService):
    """Another process does the same a moment before each write."""

    def create_table(self, table: TableName, spec: TableSpec) -> None:
        super().create_table(table, spec)
        super().create_table(table, spec)

    def enable_ttl(self, table: TableName, attribute: str) -> None:
        super().enable_ttl(table, attribute)
        super().enable_ttl(table, attribute)
