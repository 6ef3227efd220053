"""Markers of shards that are empty, deleted in time and never too early."""

from collections.abc import Callable
from datetime import timedelta

from celery_aws.core.schedule import BUCKET_SECONDS, STANDARD, Shard
from celery_aws.schedule.mover import Mover
from celery_aws.table.schedule import MARKER_REST_SECONDS
from celery_aws.testing.clock import FakeClock
from tests.unit.schedule.conftest import (
    Process,
    World,
    markers,
)

PERIOD = STANDARD.period_seconds


def test_the_marker_of_an_empty_shard_goes_when_it_has_rested(
    mover: Mover, world: World, clock: FakeClock
) -> None:
    world.park(1, due_seconds=910)
    clock.advance(20)
    mover.turn()
    seen_at = clock.monotonic()
    assert markers(world) == 1

    gone_at = run_until(mover, clock, lambda: markers(world) == 0)

    assert gone_at - seen_at >= MARKER_REST_SECONDS
    assert gone_at <= seen_at + BUCKET_SECONDS + 2 * MARKER_REST_SECONDS


def test_the_marker_of_a_bucket_that_is_not_over_stays(
    mover: Mover, world: World, clock: FakeClock
) -> None:
    start = world.clock.now().replace(minute=10, second=0, microsecond=0)
    clock.advance((start - clock.now()).total_seconds())
    world.park(1, due_seconds=901)

    gone_at = run_until(mover, clock, lambda: markers(world) == 0)

    assert gone_at - (start - clock._start).total_seconds() > BUCKET_SECONDS


def test_the_marker_of_a_shard_with_tasks_stays(
    mover: Mover, world: World, clock: FakeClock
) -> None:
    world.park(1)
    world.sqs.faults.refuse_entries(
        "SendMessageBatch", code="InvalidMessageContents", sender_fault=True, times=1_000
    )
    for _ in range(60):
        clock.advance(mover.turn())

    assert (markers(world), len(world.entries())) == (1, 1)


def test_a_marker_that_was_written_again_stays(
    mover: Mover, process: Process, world: World, clock: FakeClock
) -> None:
    (name,) = world.park(1, due_seconds=910)
    clock.advance(20)
    unmarks: list[str] = []

    def park_again(operation: str, place: str) -> None:
        # Another publisher, between the look into the shard and the delete.
        if operation == "delete_item" and place == "before" and not unmarks:
            unmarks.append(operation)
            due = clock.now() + timedelta(seconds=901)
            task = world.task(name, due)
            publisher = Process(world, "another")
            publisher.schedule._mark(shard_of_marker(world))
            publisher.schedule.park(task, STANDARD)

    process.tables.on_boundary = park_again
    run_until(mover, clock, lambda: bool(unmarks))

    assert markers(world) >= 1
    assert any(item["pk"]["S"] == "schedule#standard" for item in world.items())


def shard_of_marker(world: World) -> Shard:
    (marker,) = Process(world, "reader").schedule.markers(STANDARD)
    return marker.shard


def run_until(mover: Mover, clock: FakeClock, done: Callable[[], bool]) -> float:
    """Take turns until something is so, and return when that was, in simulated seconds."""
    while not done():
        assert clock.monotonic() < 5_000
        clock.advance(mover.turn())
    return clock.monotonic()
