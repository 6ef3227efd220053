"""A leader killed, or stopped for minutes, before and after every single request of its turns.

Nothing is lost, and no more than the batch in hand is sent twice; what is sent by the next leader
says that it may be a second time. Each place is a test of its own: all of them are tried.
"""

from collections import Counter
from collections.abc import Callable

import pytest

from celery_aws.core.schedule import FIFO, STANDARD, Lane
from celery_aws.limits import SQS_DEDUPLICATION_SECONDS
from celery_aws.names import AmqpQueue
from celery_aws.schedule.mover import Mover
from celery_aws.testing.clock import FakeClock
from tests.unit.schedule.conftest import FIFO_QUEUE, QUEUE, Process, World, again, task_ids
from tests.unit.schedule.test_outbox import incompressible
from tests.watched import KilledError

MAILS = AmqpQueue("mails")
QUEUES = (QUEUE, MAILS, FIFO_QUEUE)
BATCH = 10


def new_world(lane: Lane) -> tuple[World, list[str]]:
    """Return tasks of several queues, shards and buckets, one of them in parts; all are due."""
    clock = FakeClock()
    world = World(clock)
    for queue in QUEUES:
        world.new_queue(queue)
    if lane is FIFO:
        names = world.park(25, due_seconds=60, queue=FIFO_QUEUE)
        names += world.park(2, due_seconds=60.5, apart_seconds=0.2, queue=FIFO_QUEUE)
        names += world.park(1, due_seconds=61, queue=FIFO_QUEUE, body=incompressible(480_000))
        clock.advance(57.5)
        return world, names
    names = world.park(14, due_seconds=920, apart_seconds=2)
    names += world.park(1, due_seconds=950, body=incompressible(480_000))
    names += world.park(12, due_seconds=910, apart_seconds=1, queue=MAILS)
    clock.advance(500)
    return world, names


def sent(world: World) -> list[str]:
    return [name for queue in QUEUES for name in task_ids(world.sent(queue))]


def doubled(world: World) -> list[str]:
    return [name for name, copies in Counter(sent(world)).items() if copies > 1]


def watch(process: Process, happens: Callable[[int], None]) -> None:
    """Call ``happens`` with a number that grows at every boundary of a request."""
    seen = [0]

    def boundary(_name: str, _place: str) -> None:
        seen[0] += 1
        happens(seen[0])

    process.tables.on_boundary = process.queues.on_boundary = boundary


def boundaries(lane: Lane) -> int:
    world, names = new_world(lane)
    process = Process(world, "first")
    seen: list[int] = []
    watch(process, seen.append)
    move_all(process.new_mover(lane), world, lane)
    assert sorted(sent(world)) == sorted(names)
    return len(seen)


def move_all(mover: Mover, world: World, lane: Lane) -> None:
    """Take turns until nothing that can be found is parked."""
    for _ in range(50):
        wait = mover.turn()
        if not world.entries(lane):
            return
        world.clock.advance(wait)
    raise AssertionError("tasks are left")


PLACES = [
    pytest.param(lane, place, id=f"{lane.name}-{place}")
    for lane in (STANDARD, FIFO)
    for place in range(1, boundaries(lane) + 1)
]


@pytest.mark.parametrize(("lane", "place"), PLACES)
def test_a_leader_is_killed(lane: Lane, place: int) -> None:
    world, names = new_world(lane)
    first, second = Process(world, "first"), Process(world, "second")

    def kill(number: int) -> None:
        if number == place:
            raise KilledError

    watch(first, kill)
    mover = first.new_mover(lane)
    with pytest.raises(KilledError):
        move_all(mover, world, lane)
    before = sent(world)
    move_all(second.new_mover(lane), world, lane)

    assert set(sent(world)) == set(names)
    assert len(doubled(world)) <= BATCH
    marked = [name for queue in QUEUES for name in again(world.sent(queue))]
    assert set(doubled(world)) <= set(marked)
    assert not set(marked) & set(before) - set(doubled(world))


@pytest.mark.parametrize(("lane", "place"), PLACES)
@pytest.mark.parametrize("in_order", [False, True], ids=["then-leads", "then-stops"])
def test_a_leader_is_stopped_and_comes_back(lane: Lane, place: int, in_order: bool) -> None:
    world, names = new_world(lane)
    first, second = Process(world, "first"), Process(world, "second")
    successor = second.new_mover(lane)

    def stop_for_minutes(number: int) -> None:
        if number == place:
            # Long enough for SQS to forget the deduplication ids of a FIFO queue.
            for _ in range(8):
                world.clock.advance(max(successor.turn(), SQS_DEDUPLICATION_SECONDS / 6))
            if in_order:
                successor.release()

    watch(first, stop_for_minutes)
    mover = first.new_mover(lane)
    mover.turn()
    for _ in range(5):
        world.clock.advance(max(mover.turn(), 1))
        successor.turn()

    assert set(sent(world)) == set(names)
    assert len(doubled(world)) <= BATCH
    assert not world.entries(lane)
    if not in_order:
        assert not mover._lease.leads
