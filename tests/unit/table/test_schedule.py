from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from celery_aws.core.schedule import STANDARD, ScheduledTask
from celery_aws.errors import ThrottledError, UnreachableError
from celery_aws.table.coordination import SPEC, CoordinationTable
from celery_aws.table.schedule import MARKER_SECONDS, Schedule
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.core.scheduling import task
from tests.unit.table.contending import TABLE


class SuspendedClock(FakeClock):
    """The clock of a machine that may be suspended: the monotonic one stands still meanwhile."""

    suspended_seconds = 0.0

    def suspend(self, seconds: float) -> None:
        self.suspended_seconds += seconds
        self.advance(seconds)

    def monotonic(self) -> float:
        return super().monotonic() - self.suspended_seconds


@pytest.fixture
def clock() -> SuspendedClock:
    return SuspendedClock()


@pytest.fixture
def service(clock: FakeClock) -> MemoryTableService:
    service = MemoryTableService(clock=clock)
    service.create_table(TABLE, SPEC)
    service.requests.clear()
    return service


@pytest.fixture
def schedule(service: MemoryTableService, clock: FakeClock) -> Schedule:
    return Schedule(CoordinationTable(service=service, name=TABLE, creates=True, clock=clock))


def due_in(clock: FakeClock, seconds: float, name: str = "id") -> ScheduledTask:
    return task(name, due=clock.now() + timedelta(seconds=seconds))


def test_a_marker_is_written_once_a_minute(
    schedule: Schedule, service: MemoryTableService, clock: FakeClock
) -> None:
    same = due_in(clock, 5_000)
    writes = []
    for seconds in (0, 1, MARKER_SECONDS - 1, 1):
        clock.advance(seconds)
        before = service.requests["PutItem"]
        schedule.park(same, STANDARD)
        writes.append(service.requests["PutItem"] - before)

    assert writes == [2, 1, 1, 2]


def test_each_shard_has_a_marker_of_its_own(
    schedule: Schedule, service: MemoryTableService, clock: FakeClock
) -> None:
    for number in range(400):
        schedule.park(due_in(clock, 5_000, f"task-{number}"), STANDARD)

    markers = schedule.markers(STANDARD)
    assert {marker.shard.number for marker in markers} == set(range(16))
    assert sum(schedule.count(marker.shard) for marker in markers) == 400
    assert service.requests["PutItem"] == 400 + 16


def test_a_marker_that_could_not_be_written_is_no_marker(
    schedule: Schedule, service: MemoryTableService, clock: FakeClock
) -> None:
    service.fail_next("PutItem", ThrottledError("slow down"))
    with pytest.raises(ThrottledError):
        schedule.park(due_in(clock, 5_000), STANDARD)
    assert service.items(TABLE) == []

    schedule.park(due_in(clock, 5_000), STANDARD)
    assert len(schedule.markers(STANDARD)) == 1


def test_a_publish_that_is_tried_again_is_one_entry(
    schedule: Schedule, service: MemoryTableService, clock: FakeClock
) -> None:
    same = due_in(clock, 5_000)
    schedule.park(same, STANDARD)
    schedule.park(replace(same), STANDARD)

    (marker,) = schedule.markers(STANDARD)
    assert schedule.count(marker.shard) == 1


def test_an_entry_is_only_written_once_its_shard_is_marked(
    schedule: Schedule, service: MemoryTableService, clock: FakeClock
) -> None:
    schedule.park(due_in(clock, 5_000), STANDARD)
    clock.advance(MARKER_SECONDS + 1)
    service.fail_next("PutItem", UnreachableError("no answer"))
    with pytest.raises(UnreachableError):
        schedule.park(due_in(clock, 5_000 - MARKER_SECONDS - 1, "other"), STANDARD)

    entries = [item for item in service.items(TABLE) if "task_id" in item]
    assert len(entries) == 1


def test_a_machine_that_was_suspended_marks_again_what_may_be_over(
    service: MemoryTableService, clock: SuspendedClock
) -> None:
    # By the clock of the process no time has passed; the marker may be gone long since.
    schedule = slow_schedule(service, clock, lambda: clock.suspend(3_600))

    schedule.park(due_in(clock, 901), STANDARD)

    assert service.requests["PutItem"] == 3


def slow_schedule(
    service: MemoryTableService, clock: FakeClock, happens: Callable[[], None]
) -> Schedule:
    """Return a schedule with something that happens once, between the marker and the entry."""
    pending = [happens]

    class Table(CoordinationTable):
        def put(self, item, *, condition=None) -> None:  # type: ignore[no-untyped-def]
            if "task_id" in item and pending:
                pending.pop()()
            super().put(item, condition=condition)

    return Schedule(Table(service=service, name=TABLE, creates=True, clock=clock))


def test_what_a_process_keeps_in_mind_is_bounded(schedule: Schedule, clock: FakeClock) -> None:
    for number in range(1_200):
        schedule.park(due_in(clock, 1_000 + 300 * number, f"task-{number}"), STANDARD)

    assert len(schedule._marked) == len(schedule._parked) == 1_000
