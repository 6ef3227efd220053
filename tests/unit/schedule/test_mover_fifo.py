"""Tasks of FIFO queues, moved to the second."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from celery_aws.core.schedule import FIFO, STANDARD
from celery_aws.testing.clock import FakeClock
from tests.unit.schedule.conftest import (
    FIFO_QUEUE,
    Process,
    World,
    task_ids,
)

PERIOD = STANDARD.period_seconds


@given(
    seconds=st.lists(st.floats(6.0, 20.0), min_size=1, max_size=12),
    phase=st.floats(0, 5),
)
@settings(max_examples=50)
def test_tasks_of_fifo_queues_go_to_the_second(seconds: list[float], phase: float) -> None:
    clock = FakeClock()
    world = World(clock)
    world.new_queue(FIFO_QUEUE)
    process = Process(world, "worker")
    mover = process.new_mover(FIFO)
    process.queues.on_boundary = lambda _name, _place: clock.advance(0.01)
    clock.advance(phase)
    parked_at = clock.monotonic()
    names = [world.park(1, due_seconds=each, queue=FIFO_QUEUE)[0] for each in seconds]

    while world.entries(FIFO):
        clock.advance(mover.turn())
        assert clock.monotonic() < 60

    assert world.copies(FIFO_QUEUE) == dict.fromkeys(names, 1)
    for message in world.sent(FIFO_QUEUE):
        due = parked_at + seconds[names.index(task_ids([message])[0])]
        # A second ahead, and then late only for the requests before it.
        assert -1.01 <= message.sent_at - due <= -1.0 + 0.02 * (1 + len(seconds))


def test_fifo_tasks_that_are_due_together_go_together(world: World, clock: FakeClock) -> None:
    world.new_queue(FIFO_QUEUE)
    process = Process(world, "worker")
    names = world.park(25, due_seconds=10, queue=FIFO_QUEUE)
    clock.advance(9)

    process.new_mover(FIFO).turn()

    assert world.copies(FIFO_QUEUE) == dict.fromkeys(names, 1)
    assert process.queues.log == ["send_batch"] * 3


def test_a_clock_that_is_set_back_makes_nobody_wait_for_what_comes_later(
    world: World, clock: FakeClock, process: Process
) -> None:
    world.new_queue(FIFO_QUEUE)
    world.park(1, due_seconds=60, queue=FIFO_QUEUE)
    mover = process.new_mover(FIFO)
    clock.advance(55)
    mover.turn()
    clock.advance(2)
    right = clock.now
    # After the Query that found it.
    process.tables.meets()
    process.tables.meets(after=lambda: setattr(clock, "now", lambda: right() - timedelta(hours=1)))

    assert mover.turn() <= FIFO.period_seconds

    assert world.sent(FIFO_QUEUE) == []
    assert sum(clock.sleeps) <= FIFO.lookahead_seconds


def test_fifo_leaders_are_found_sooner(world: World) -> None:
    first, second = (Process(world, name).new_mover(FIFO) for name in ("a", "b"))

    assert first.turn() == FIFO.period_seconds
    assert second.turn() == FIFO.renew_seconds
