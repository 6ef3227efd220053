"""What the mover does when tasks are late, and what it does not read again and again."""

import threading
from datetime import timedelta

import pytest

from celery_aws.core.schedule import FIFO, STANDARD, Lane
from celery_aws.errors import (
    ThrottledError,
)
from celery_aws.names import AmqpQueue
from celery_aws.schedule.mover import Mover
from celery_aws.schedule.outbox import REST_SECONDS
from celery_aws.table.schedule import MARKER_SECONDS, Schedule
from celery_aws.testing.clock import FakeClock
from tests.unit.schedule.conftest import (
    Process,
    World,
    markers,
    task_ids,
)

PERIOD = STANDARD.period_seconds


@pytest.fixture
def slow(process: Process, clock: FakeClock) -> Process:
    """A process to which SQS answers after five seconds."""
    lock = threading.Lock()

    def five_seconds(_: str, place: str) -> None:
        if place == "after":
            with lock:
                clock.advance(5)

    process.queues.on_boundary = five_seconds
    return process


def test_a_late_backlog_is_moved_eight_shards_at_once(
    slow: Process, world: World, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    names = world.park(600)
    clock.advance(2_000)
    together = threading.Barrier(8)
    met: list[str] = []

    def meet(_: str, place: str) -> None:
        if place == "before" and len(met) < 8:
            met.append(threading.current_thread().name)
            together.wait(10)  # broken unless eight come

    slow.queues.on_boundary = meet
    slow.mover.turn()

    assert len(set(met)) == 8
    assert world.copies() == dict.fromkeys(names, 1)
    assert "parked tasks are late: 8 shards are moved at once" in caplog.text


def test_what_is_on_time_is_moved_one_batch_after_the_other(
    slow: Process, world: World, clock: FakeClock
) -> None:
    world.park(400, due_seconds=910)
    clock.advance(20)
    names = set()
    five_seconds = slow.queues.on_boundary
    assert five_seconds is not None

    def note(name: str, place: str) -> None:
        names.add(threading.current_thread().name)
        five_seconds(name, place)

    slow.queues.on_boundary = note
    while world.entries():
        slow.mover.turn()

    assert names == {threading.current_thread().name}


def test_markers_of_empty_shards_and_refused_tasks_are_no_late_backlog(
    mover: Mover, world: World, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    world.park(2)
    world.sqs.faults.refuse_entries(
        "SendMessageBatch", code="InvalidMessageContents", sender_fault=True, times=1_000
    )
    clock.advance(200)
    for _ in range(60):
        clock.advance(mover.turn())

    assert len(world.entries()) > 0
    assert "are late" not in caplog.text


@pytest.mark.parametrize(
    ("lane", "queue", "due_seconds"),
    [(STANDARD, AmqpQueue("gone"), 910), (FIFO, AmqpQueue("gone.fifo"), 11)],
)
def test_what_nobody_can_send_is_not_read_in_every_turn(
    world: World, clock: FakeClock, lane: Lane, queue: AmqpQueue, due_seconds: float
) -> None:
    process = Process(world, "worker", creates_queues=False)
    mover = process.new_mover(lane)
    world.park(1, queue=queue, due_seconds=due_seconds)
    clock.advance(100)
    reads = []
    for _ in range(1 + 12):
        process.tables.log.clear()
        mover.turn()
        reads.append(process.tables.log.count("query") - 1)
        clock.advance(lane.period_seconds)

    assert reads[0] == 1
    assert sum(reads) <= 6
    world.new_queue(queue)
    clock.advance(REST_SECONDS)
    mover.turn()
    assert len(world.sent(queue)) == 1


def test_what_had_no_answer_is_read_in_the_next_turn(
    mover: Mover, world: World, clock: FakeClock
) -> None:
    names = world.park(1, due_seconds=910)
    clock.advance(100)
    world.sqs.faults.fail("SendMessageBatch", ThrottledError("slow down"), times=2)
    for _ in range(3):
        assert world.sent() == []
        clock.advance(mover.turn())

    assert task_ids(world.sent()) == names


def test_a_task_beside_what_nobody_can_send_goes_in_the_next_turn(
    world: World, clock: FakeClock
) -> None:
    process = Process(world, "worker", creates_queues=False)
    world.park(1, queue=AmqpQueue("gone"), due_seconds=1_000)
    clock.advance(1_000)
    for _ in range(3):
        process.mover.turn()
        clock.advance(PERIOD)
    clock.advance(MARKER_SECONDS)
    late = world.task("task-00000", clock.now() - timedelta(seconds=200))
    Schedule(process.table).park(late, STANDARD)

    process.mover.turn()

    assert len(world.sent()) == 1


def test_tasks_of_several_shards_share_a_batch(
    mover: Mover, process: Process, world: World, clock: FakeClock
) -> None:
    world.park(10)
    assert markers(world) > 1
    clock.advance(200)

    mover.turn()

    assert process.queues.log == ["send_batch"]
    assert process.tables.log.count("write_batch") == 1
