import pytest

from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.errors import (
    AccessDeniedError,
    ConfigurationError,
    InvalidRequestError,
    UnreachableError,
)
from celery_aws.names import TableName
from celery_aws.table.creation import (
    CREATION_DEADLINE_SECONDS,
    TablePurpose,
    TableReport,
    ensure_table,
)
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

TABLE = TableName("notes")
SPEC = TableSpec(hash_key=KeyAttribute(name="id"))
PURPOSE = TablePurpose(name="table of notes", ttl_attribute="ttl", where="notes", key="name")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def service(clock: FakeClock) -> MemoryTableService:
    return MemoryTableService(clock=clock)


def ensure(service: MemoryTableService, clock: FakeClock) -> TableReport:
    return ensure_table(service, TABLE, SPEC, purpose=PURPOSE, clock=clock)


def test_it_waits_until_the_table_can_be_used(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.creation_seconds = 12
    assert ensure(service, clock).created
    assert 12 <= sum(clock.sleeps) < 15


def test_it_waits_for_a_table_that_another_process_is_creating(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.creation_seconds = 5
    service.create_table(TABLE, SPEC)
    report = ensure(service, clock)
    assert (report.created, report.ttl_enabled) == (False, True)


def test_it_does_not_wait_for_ever(service: MemoryTableService, clock: FakeClock) -> None:
    service.creation_seconds = 10_000
    with pytest.raises(UnreachableError, match=r"notes: the table is not active after 120 s"):
        ensure(service, clock)
    assert CREATION_DEADLINE_SECONDS <= sum(clock.sleeps) < CREATION_DEADLINE_SECONDS + 5


def test_another_primary_key_is_one_clear_error(
    service: MemoryTableService, clock: FakeClock
) -> None:
    keys = (KeyAttribute(name="pk"), KeyAttribute(name="sk", kind="N"))
    service.create_table(TABLE, TableSpec(hash_key=keys[0], range_key=keys[1]))
    message = r"^notes: .*'notes' has .*pk \(S\), sk \(N\); the table of notes needs id \(S\)"
    with pytest.raises(ConfigurationError, match=message):
        ensure(service, clock)


def test_another_expiry_attribute_is_one_clear_error(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.create_table(TABLE, SPEC)
    service.enable_ttl(TABLE, "expires")
    message = r"expire by the attribute 'expires'; the table of notes needs 'ttl'"
    with pytest.raises(ConfigurationError, match=message) as failure:
        ensure(service, clock)
    assert (failure.value.where, failure.value.key) == ("notes", "name")


def test_losing_the_race_to_create_is_fine(clock: FakeClock) -> None:
    service = BeatenToIt(clock=clock)
    report = ensure(service, clock)
    assert (report.created, report.ttl_enabled) == (False, False)


def test_a_refusal_to_switch_expiry_on_is_an_error(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.create_table(TABLE, SPEC)
    for error in (InvalidRequestError("modified too often"), AccessDeniedError("no")):
        service.fail_next("UpdateTimeToLive", error)
        with pytest.raises(type(error)):
            ensure(service, clock)


class BeatenToIt(MemoryTableService):
    """Another process does the same a moment before each write."""

    def create_table(self, table: TableName, spec: TableSpec) -> None:
        super().create_table(table, spec)
        super().create_table(table, spec)

    def enable_ttl(self, table: TableName, attribute: str) -> None:
        super().enable_ttl(table, attribute)
        super().enable_ttl(table, attribute)
