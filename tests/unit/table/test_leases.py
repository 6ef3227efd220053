import pytest

from celery_aws.core.leadership import SAFE_PART
from celery_aws.errors import UnreachableError
from celery_aws.names import TableName
from celery_aws.table.coordination import CoordinationTable
from celery_aws.table.leases import LeaderLease
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.table.contending import (
    DURATION_SECONDS,
    RENEW_SECONDS,
    TABLE,
    Contender,
    lose_it,
    new_service,
)


@pytest.fixture
def service(clock: FakeClock) -> MemoryTableService:
    return new_service(clock)


@pytest.fixture
def first(clock: FakeClock, service: MemoryTableService) -> Contender:
    return Contender("first", clock, service)


@pytest.fixture
def second(clock: FakeClock, service: MemoryTableService) -> Contender:
    return Contender("second", clock, service, offset_seconds=1_000)


def test_the_first_leads_and_the_second_does_not(first: Contender, second: Contender) -> None:
    assert first.contend()
    assert not first.lease.taken_over

    assert not second.contend()
    assert (first.lease.leads, second.lease.leads) == (True, False)


def test_a_leader_asks_nothing_until_its_renewal_is_due(clock: FakeClock, first: Contender) -> None:
    first.contend()
    first.service.log.clear()

    clock.advance(RENEW_SECONDS - 1)
    assert first.contend()
    assert first.service.log == []

    clock.advance(1)
    assert first.contend()
    assert first.service.log == ["put_item"]


def test_a_leader_that_renews_is_never_taken_over(
    clock: FakeClock, first: Contender, second: Contender
) -> None:
    first.contend()
    for _ in range(20):
        clock.advance(RENEW_SECONDS)
        assert first.contend()
        assert not second.contend()


def test_it_is_taken_over_when_its_time_is_up_and_not_before(
    clock: FakeClock, first: Contender, second: Contender
) -> None:
    first.contend()
    second.contend()

    clock.advance(DURATION_SECONDS - 1)
    assert not second.contend()
    clock.advance(1)
    assert second.contend()

    assert second.lease.taken_over
    assert not first.lease.leads


def test_a_leader_knows_that_its_time_is_up_before_anybody_else_does(
    clock: FakeClock, first: Contender
) -> None:
    first.contend()
    clock.advance(DURATION_SECONDS * SAFE_PART)

    assert not first.lease.leads
    assert first.contend()  # nobody has taken it


def test_what_is_released_is_free_at_once(first: Contender, second: Contender) -> None:
    first.contend()
    second.contend()

    first.lease.release()

    assert second.contend()
    assert (first.lease.leads, second.lease.taken_over) == (False, False)


def test_only_the_leader_releases_it(first: Contender, second: Contender) -> None:
    first.contend()
    second.contend()

    second.lease.release()

    assert "delete_item" not in second.service.log
    second.contend()
    assert first.lease.leads


def test_who_was_taken_over_does_not_release_what_is_another_ones(
    clock: FakeClock, first: Contender, second: Contender
) -> None:
    first.contend()
    second.contend()
    clock.advance(DURATION_SECONDS)
    second.contend()

    first.lease.release()

    clock.advance(RENEW_SECONDS)
    assert second.contend()


def test_who_asked_slowly_does_not_take_a_lease_that_was_renewed_meanwhile(
    clock: FakeClock, first: Contender, second: Contender
) -> None:
    # The second is stopped for two minutes on its way to AWS; what it then reads is fresh.
    def minutes() -> None:
        clock.advance(DURATION_SECONDS)
        first.contend()

    first.contend()
    second.meets(before=minutes)
    second.contend()

    clock.advance(RENEW_SECONDS / 2)
    assert not second.contend()
    assert first.lease.leads


def test_a_leader_is_one_still_when_the_answer_to_its_renewal_is_lost(
    clock: FakeClock, first: Contender, second: Contender
) -> None:
    first.contend()
    second.contend()
    clock.advance(RENEW_SECONDS)
    first.meets(after=lose_it)
    with pytest.raises(UnreachableError):
        first.lease.contend()
    assert first.lease.leads

    clock.advance(1)
    assert first.contend()
    assert not second.contend()
    assert not first.lease.taken_over


def test_a_lease_whose_first_answer_is_lost_is_found_to_be_ones_own(first: Contender) -> None:
    first.meets()
    first.meets(after=lose_it)
    with pytest.raises(UnreachableError):
        first.lease.contend()
    assert not first.lease.leads

    assert first.contend()


def test_time_counts_from_the_lost_request_and_not_from_when_it_is_found(
    clock: FakeClock, first: Contender, second: Contender
) -> None:
    first.meets()
    first.meets(after=lose_it)
    first.contend()
    second.contend()
    clock.advance(DURATION_SECONDS * SAFE_PART)

    assert not first.contend()
    clock.advance(DURATION_SECONDS * (1 - SAFE_PART))
    assert second.contend()
    assert not first.lease.leads


def test_a_leader_counts_from_before_it_asked(
    clock: FakeClock, first: Contender, second: Contender
) -> None:
    def meanwhile() -> None:
        second.contend()
        clock.advance(DURATION_SECONDS)
        assert second.contend()

    first.meets()
    first.meets(after=meanwhile)

    assert not first.contend()


def test_keeping_renews_and_never_takes(
    clock: FakeClock, first: Contender, second: Contender
) -> None:
    assert not second.lease.keep()
    first.contend()
    clock.advance(RENEW_SECONDS)
    assert first.lease.keep()

    second.contend()
    clock.advance(DURATION_SECONDS)
    second.contend()
    second.lease.release()

    assert not first.lease.keep()
    assert not first.lease.keep()
    assert first.contend()  # only when it is asked to


def test_who_does_not_lead_looks_again_when_the_lease_may_be_over(
    clock: FakeClock, first: Contender, second: Contender
) -> None:
    assert first.lease.next_look_seconds == RENEW_SECONDS
    first.contend()
    second.contend()
    assert second.lease.next_look_seconds == RENEW_SECONDS

    clock.advance(DURATION_SECONDS - 10)
    assert second.lease.next_look_seconds == pytest.approx(10)


def test_nobody_leads_without_a_table_and_nobody_makes_it(clock: FakeClock) -> None:
    service = MemoryTableService(clock=clock)
    contender = Contender("first", clock, service)

    assert not contender.contend()
    assert contender.lease.pointless
    assert "CreateTable" not in service.requests

    service.create_table(TABLE, new_service(clock)._tables[TABLE].spec)
    assert contender.contend()
    assert not contender.lease.pointless


def test_a_table_that_is_deleted_ends_the_lead(clock: FakeClock, first: Contender) -> None:
    first.contend()
    first.service._double._tables.clear()
    clock.advance(RENEW_SECONDS)

    assert not first.contend()
    assert first.lease.pointless


def test_other_names_are_other_leases(clock: FakeClock, service: MemoryTableService) -> None:
    table = CoordinationTable(service=service, name=TableName(TABLE), creates=True, clock=clock)
    leases = [
        LeaderLease(table, name, owner="one", duration_seconds=30, renew_seconds=10)
        for name in ("mover-standard", "mover-fifo")
    ]

    assert [lease.contend() for lease in leases] == [True, True]
