from dataclasses import replace

import pytest

from celery_aws.aws.table_schema import (
    TABLE_WITHOUT_KEY,
    KeyAttribute,
    TableDescription,
    TableSpec,
)
from celery_aws.core.attributes import text
from celery_aws.errors import (
    AccessDeniedError,
    ConfigurationError,
    EncryptionKeyError,
    InvalidRequestError,
    ServiceFaultError,
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


PROTECTED = replace(
    SPEC,
    point_in_time_recovery=True,
    kms_key="alias/celery",
    tags={"team": "web"},
    deletion_protection=True,
)


def ensure_protected(service: MemoryTableService, clock: FakeClock) -> TableReport:
    return ensure_table(service, TABLE, PROTECTED, purpose=PURPOSE, clock=clock)


def test_a_table_is_made_as_it_is_wanted(service: MemoryTableService, clock: FakeClock) -> None:
    report = ensure_protected(service, clock)
    assert (report.created, report.recovery_enabled) == (True, True)
    assert service.spec(TABLE) == PROTECTED
    assert not ensure_protected(service, clock).recovery_enabled


def test_a_table_that_is_there_stays_as_it_is(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.create_table(TABLE, SPEC)
    report = ensure_protected(service, clock)
    assert (report.created, report.ttl_enabled, report.recovery_enabled) == (False, True, False)
    assert service.spec(TABLE) == SPEC
    assert service.requests["UpdateContinuousBackups"] == 0


NOT_YET = ServiceFaultError("backups are being enabled for the table")


def test_recovery_of_a_new_table_is_tried_until_it_is_possible(
    service: MemoryTableService, clock: FakeClock
) -> None:
    for _ in range(5):
        service.fail_next("UpdateContinuousBackups", NOT_YET)
    assert ensure_protected(service, clock).recovery_enabled
    assert service.spec(TABLE).point_in_time_recovery
    assert 0 < sum(clock.sleeps) < 10


def test_recovery_is_not_tried_for_ever(service: MemoryTableService, clock: FakeClock) -> None:
    for _ in range(1000):
        service.fail_next("UpdateContinuousBackups", NOT_YET)
    with pytest.raises(ServiceFaultError, match="being enabled"):
        ensure_protected(service, clock)
    assert CREATION_DEADLINE_SECONDS <= sum(clock.sleeps) < CREATION_DEADLINE_SECONDS + 5


def test_recovery_that_is_refused_is_an_error_of_a_table_that_can_be_used(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.fail_next("UpdateContinuousBackups", AccessDeniedError("no"))
    with pytest.raises(AccessDeniedError):
        ensure_protected(service, clock)
    assert service.describe_ttl(TABLE).attribute == "ttl"
    service.put_item(TABLE, {"id": text("one")})


@pytest.mark.parametrize("status", sorted(TABLE_WITHOUT_KEY))
def test_a_table_whose_key_cannot_be_used_is_not_waited_for(clock: FakeClock, status: str) -> None:
    service = Described(clock=clock)
    service.create_table(TABLE, SPEC)
    service.status = status
    with pytest.raises(EncryptionKeyError, match=rf"notes: the table is {status}.*Enable the KMS"):
        ensure(service, clock)
    assert clock.sleeps == []


class Described(MemoryTableService):
    """Says of every table that it is in ``status``."""

    status = "ACTIVE"

    def describe_table(self, table: TableName) -> TableDescription:
        return replace(super().describe_table(table), status=self.status)


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
