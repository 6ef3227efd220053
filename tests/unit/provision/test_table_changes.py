"""A table that is busy: changes wait for each other, and removal waits for the end."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from celery_aws.aws.table_administration import TableDetails
from celery_aws.aws.table_schema import TableSpec
from celery_aws.clock import Clock
from celery_aws.errors import InvalidRequestError, TableNotFoundError, UnreachableError
from celery_aws.names import TableName
from celery_aws.provision import apply, plan_of, read, read_remains, remove
from celery_aws.provision.removal import REMOVAL_DEADLINE_SECONDS
from celery_aws.provision.table_changes import CHANGE_DEADLINE_SECONDS
from celery_aws.testing.memory_table_administration import MemoryTableAdministration
from tests.unit.provision.account import Account, deployment

RESULTS = TableName("results")
WANTED = {
    "read": 3,
    "write": 2,
    "kms_key": "1234",
    "deletion_protection": True,
    "point_in_time_recovery": True,
    "table_tags": {"team": "web"},
}


class BusyTables(MemoryTableAdministration):
    """Tables that are busy for a while after each change, and take no other then."""

    def __init__(self, clock: Clock, *, busy_seconds: float) -> None:
        super().__init__(clock=clock)
        self._time = clock
        self._busy_seconds = busy_seconds
        self._busy_until = 0.0
        self._deleting = False

    def details(self, table: TableName) -> TableDetails:
        found = super().details(table)
        if self._time.monotonic() >= self._busy_until:
            if self._deleting:
                super().delete_table(table)
                return self.details(table)
            return found
        return replace(found, status="DELETING" if self._deleting else "UPDATING")

    def set_billing(self, table: TableName, spec: TableSpec) -> None:
        self._change(lambda: super(BusyTables, self).set_billing(table, spec))

    def encrypt(self, table: TableName, kms_key: str) -> None:
        self._change(lambda: super(BusyTables, self).encrypt(table, kms_key))

    def protect(self, table: TableName) -> None:
        self._change(lambda: super(BusyTables, self).protect(table))

    def delete_table(self, table: TableName) -> None:
        def begin() -> None:
            self._deleting = True

        self._change(begin)

    def _change(self, change: Callable[[], None]) -> None:
        if self._time.monotonic() < self._busy_until:
            raise InvalidRequestError("the table is being updated", operation="UpdateTable")
        change()
        self._busy_until = self._time.monotonic() + self._busy_seconds


def busy(account: Account, seconds: float) -> None:
    account.tables = BusyTables(account.clock, busy_seconds=seconds)
    account.tables.create_table(RESULTS, deployment(broker="memory://").tables[0].spec)
    account.tables.enable_ttl(RESULTS, "ttl")


def test_one_change_after_the_other(account: Account) -> None:
    busy(account, 20)
    wanted = deployment(broker="memory://", results=WANTED)
    assert len(account.plan(wanted).to_do[0].differences) == 5
    account.provision(wanted)
    assert account.plan(wanted).is_empty
    assert 60 <= sum(account.clock.sleeps) < 80
    assert account.said == ["results is UPDATING: waiting"] * 3


def test_a_table_that_is_busy_for_too_long(account: Account) -> None:
    busy(account, 10_000)
    with pytest.raises(UnreachableError, match="goes on where it stopped"):
        account.provision(deployment(broker="memory://", results=WANTED))
    assert CHANGE_DEADLINE_SECONDS <= sum(account.clock.sleeps) < CHANGE_DEADLINE_SECONDS + 10


def test_capacity_that_somebody_raised_is_not_lowered(account: Account) -> None:
    wanted = deployment(broker="memory://", results={"read": 3, "write": 2})
    account.provision(wanted)
    account.tables.set_billing(
        RESULTS, replace(wanted.tables[0].spec, read_capacity=50, write_capacity=1)
    )
    account.provision(wanted)
    found = account.tables.details(RESULTS)
    assert (found.read_capacity, found.write_capacity) == (50, 2)


def test_a_table_that_another_begins_to_make_is_finished(account: Account) -> None:
    wanted = deployment(broker="memory://", results={"point_in_time_recovery": True})
    services = account.services()
    plan = plan_of(wanted, read(wanted, services))
    account.tables.creation_seconds = 5
    account.tables.create_table(RESULTS, wanted.tables[0].spec)

    apply(plan, wanted, services, done=lambda _: None, say=lambda _: None)
    assert account.plan(wanted).is_empty


def test_removal_waits_until_it_is_gone(account: Account) -> None:
    busy(account, 20)
    wanted = deployment(broker="memory://")
    services = account.services()
    remove(read_remains(wanted, services), services, done=lambda _: None, say=lambda _: None)
    assert 20 <= sum(account.clock.sleeps) < 30
    with pytest.raises(TableNotFoundError):
        account.tables.details(RESULTS)


def test_a_table_that_another_deletes_is_waited_for(account: Account) -> None:
    busy(account, 20)
    wanted = deployment(broker="memory://")
    services = account.services()
    account.tables.delete_table(RESULTS)
    there = read_remains(wanted, services)
    assert there.tables[0].is_ending
    remove(there, services, done=lambda _: None, say=lambda _: None)
    assert read_remains(wanted, services).is_empty


def test_removal_does_not_wait_for_ever(account: Account) -> None:
    busy(account, 10_000)
    wanted = deployment(broker="memory://")
    services = account.services()
    with pytest.raises(UnreachableError, match="is not gone after 300 s"):
        remove(read_remains(wanted, services), services, done=lambda _: None, say=lambda _: None)
    assert REMOVAL_DEADLINE_SECONDS <= sum(account.clock.sleeps) < REMOVAL_DEADLINE_SECONDS + 10
