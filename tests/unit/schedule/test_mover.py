import logging
import threading

import pytest

from celery_aws.core.schedule import FIFO, STANDARD
from celery_aws.errors import (
    AccessDeniedError,
    ConfigurationError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.names import AmqpQueue
from celery_aws.schedule.mover import Mover
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
