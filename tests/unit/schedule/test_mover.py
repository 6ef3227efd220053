import logging
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_aws.core.schedule import BUCKET_SECONDS, FIFO, STANDARD, Lane, Shard
from celery_aws.errors import (
    AccessDeniedError,
    ConfigurationError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.names import AmqpQueue
from celery_aws.schedule.mover import Mover
from celery_aws.schedule.outbox import REST_SECONDS
from celery_aws.table.schedule import MARKER_REST_SECONDS, MARKER_SECONDS, Schedule
from celery_aws.testing.clock import FakeClock
from tests.unit.schedule.conftest import (
    FIFO_QUEUE,
    TABLE,
    Process,
    World,
    again,
    task_ids,
)

PERIOD = STANDARD.period_seconds


@pytest.fixture
def mover(process: Process) -> Mover:
    return process.mover


@pytest.fixture
def other(world: World) -> Process:
    return Process(world, "other")


def markers(world: World) -> int:
    return sum(item["pk"]["S"] == "schedule#standard" for item in world.items())


# Turns.


def test_nothing_due_costs_the_lease_and_one_query(mover: Mover, process: Process) -> None:
    assert mover.turn() == PERIOD
    assert process.tables.log == ["get_item", "put_item", "query"]

    process.tables.log.clear()
    mover.turn()
    assert process.tables.log == ["query"]


def test_what_may_go_is_sent_and_the_rest_stays(
    mover: Mover, world: World, clock: FakeClock
) -> None:
    due = world.park(12, due_seconds=1_000)
    world.park(3, due_seconds=5_000)
    clock.advance(100)

    mover.turn()

    assert sorted(task_ids(world.sent())) == due
    assert len(world.entries()) == 3
    assert again(world.sent()) == []


def test_tasks_of_any_bucket_are_found(mover: Mover, world: World, clock: FakeClock) -> None:
    names = world.park(40, due_seconds=950, apart_seconds=97)
    for _ in range(100):
        clock.advance(mover.turn())

    assert world.copies() == dict.fromkeys(names, 1)
    for message in world.sent():
        due = 950 + 97 * names.index(task_ids([message])[0])
        assert -1.5 <= message.visible_at - due <= 0


def test_the_other_lane_is_somebody_elses(mover: Mover, world: World, clock: FakeClock) -> None:
    world.new_queue(FIFO_QUEUE)
    world.park(1, queue=FIFO_QUEUE)
    clock.advance(2_000)

    mover.turn()

    assert world.sent(FIFO_QUEUE) == []


def test_only_one_of_two_moves(
    mover: Mover, other: Process, world: World, clock: FakeClock
) -> None:
    world.park(5)
    clock.advance(200)
    mover.turn()
    world.park(5, due_seconds=100)

    assert other.mover.turn() == STANDARD.renew_seconds

    assert other.queues.log == []
    assert other.tables.log == ["get_item"]


def test_the_next_turn_begins_a_period_after_the_last_one_began(
    mover: Mover, process: Process, world: World, clock: FakeClock
) -> None:
    world.park(1, due_seconds=900)
    process.tables.on_boundary = lambda _name, _place: clock.advance(1)

    assert mover.turn() == PERIOD - 10  # five requests, with a second before and after each


def test_who_does_not_lead_looks_again_when_the_leaders_time_is_up(
    mover: Mover, other: Process, clock: FakeClock
) -> None:
    mover.turn()
    waits = []
    for _ in range(3):
        waits.append(other.mover.turn())
        clock.advance(waits[-1])

    assert waits == [45, 45, 30]
    other.mover.turn()
    assert other.mover._lease.leads


def test_without_a_table_it_is_looked_for_once_a_period(world: World, clock: FakeClock) -> None:
    world.tables._tables.clear()
    process = Process(world, "worker")
    assert process.mover.turn() == PERIOD
    assert process.new_mover(FIFO).turn() == FIFO.period_seconds

    world.park(1)
    clock.advance(200)
    process.mover.turn()

    assert len(world.sent()) == 1


# Failures.


def test_a_table_that_refuses_is_asked_less_and_less(
    mover: Mover, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(8):
        world.tables.fail_next("GetItem", AccessDeniedError("not for you"))

    assert [mover.turn() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 45, 45, PERIOD]
    assert len(caplog.messages) == 4


def test_a_mover_that_lacks_one_right_names_all(
    mover: Mover, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.tables.fail_next("GetItem", AccessDeniedError("not for you"))

    mover.turn()

    (message,) = caplog.messages
    for action in ("GetItem", "PutItem", "DeleteItem", "Query", "BatchGetItem", "BatchWriteItem"):
        assert action in message.partition("Grant ")[2]
    assert "broker_transport_options['coordination_table'] to False" in message


def test_failures_are_over_for_one_that_does_not_lead_too(
    mover: Mover, other: Process, world: World
) -> None:
    mover.turn()
    world.tables.fail_next("GetItem", UnreachableError("no answer"))
    other.mover.turn()
    other.mover.turn()
    world.tables.fail_next("GetItem", UnreachableError("no answer"))

    assert other.mover.turn() == 1


def test_what_is_left_of_a_turn_that_failed_is_moved_by_the_next(
    mover: Mover, world: World, clock: FakeClock
) -> None:
    names = world.park(30)
    clock.advance(200)
    world.tables.fail_next("BatchWriteItem", ThrottledError("slow down"))

    clock.advance(mover.turn())
    clock.advance(mover.turn())

    assert world.copies() == dict.fromkeys(names, 1)


def test_a_marker_that_nobody_understands_does_not_stop_the_others(
    mover: Mover, world: World, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    names = world.park(3)
    for sort in ("", "2026-03-14T15:05Z#", "2026-03-14T15:05Z#two", "noon#01", "0#0#0"):
        item = {"pk": {"S": "schedule#standard"}, "sk": {"S": sort or "?"}}
        world.tables.put_item(TABLE, item)
    clock.advance(200)

    mover.turn()

    assert world.copies() == dict.fromkeys(names, 1)
    assert "marker" in caplog.text


def test_an_entry_whose_key_is_no_time_does_not_stop_the_others(
    world: World, process: Process, clock: FakeClock
) -> None:
    world.new_queue(FIFO_QUEUE)
    names = world.park(3, due_seconds=10, queue=FIFO_QUEUE)
    item = {**world.entries(FIFO)[0], "sk": {"S": "0001#when"}}
    world.tables.put_item(TABLE, item)
    clock.advance(9)

    process.new_mover(FIFO).turn()

    assert world.copies(FIFO_QUEUE) == dict.fromkeys(names, 1)


@pytest.mark.parametrize(
    "error", [ConfigurationError("no region", where="sqs"), RuntimeError("a bug")]
)
def test_nothing_ends_a_mover_but_its_stop(
    mover: Mover,
    process: Process,
    world: World,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    names = world.park(3)
    clock.advance(200)

    def fail() -> None:
        raise error

    for _ in range(3):
        process.tables.meets(before=fail)

    assert [mover.turn() for _ in range(4)] == [1, 2, 4, PERIOD]
    assert world.copies() == dict.fromkeys(names, 1)
    assert len(caplog.messages) == 2
    assert str(error) in caplog.text


# Leaving.


def test_who_stops_leaves_the_lease_to_the_next_at_once(
    mover: Mover, other: Process, world: World
) -> None:
    mover.turn()
    other.mover.turn()

    mover.release()

    other.mover.turn()
    assert other.mover._lease.leads
    assert not other.mover._lease.taken_over


@pytest.mark.parametrize("lost", ["SendMessageBatch", "BatchWriteItem"])
def test_who_stops_and_may_have_sent_what_is_still_parked_lets_the_next_say_so(
    mover: Mover, other: Process, world: World, clock: FakeClock, lost: str
) -> None:
    names = world.park(3)
    clock.advance(200)
    if lost == "SendMessageBatch":
        world.sqs.faults.lose_reply(lost)
    else:
        world.tables.fail_next(lost, UnreachableError("no answer"))
    mover.turn()
    first = len(world.sent())

    mover.release()
    for _ in range(5):
        clock.advance(other.mover.turn())

    assert first == 3
    assert sorted(again(world.sent()[3:])) == names


def test_the_thread_moves_and_releases(world: World) -> None:
    # On a clock that does not move: the thread waits for nothing but its stop.
    process = Process(world, "worker")
    world.park(1, due_seconds=900)
    mover = process.mover
    pausing = threading.Event()

    def wait(condition: threading.Condition, seconds: float) -> None:
        pausing.set()
        condition.wait(10)

    world.clock.wait = wait  # type: ignore[method-assign]
    mover.start()
    assert pausing.wait(10)
    assert mover.stop(10)

    assert len(world.sent()) == 1
    assert process.tables.log[-1] == "delete_item"


# Lateness.


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


# FIFO queues.


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


# Markers.


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


def test_it_says_what_it_moved(
    mover: Mover, world: World, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.new_queue(AmqpQueue("mails"))
    world.park(2)
    world.park(1, queue=AmqpQueue("mails"))
    clock.advance(200)

    mover.turn()

    assert "moved 3 parked task(s) (standard) to SQS" in caplog.text
