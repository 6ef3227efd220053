"""The keeper's thread, and those that wait for it. Real threads; the clock is the test's."""

import threading
import time
from collections.abc import Iterator

import pytest

from celery_aws.control.inbox_keeper import IDLE_SECONDS, InboxKeeper
from celery_aws.control.transient_queues import TransientQueue
from celery_aws.errors import AwsError, ServiceFaultError, UnreachableError
from celery_aws.testing.clock import FakeClock
from tests.unit.control.conftest import (
    FAULT,
    LEASE_SECONDS,
    PATIENCE_SECONDS,
    Process,
    StillClock,
    World,
)


@pytest.fixture
def process(world: World) -> Iterator[Process]:
    made = Process(world)
    made.keeper = made.new_keeper(InboxKeeper)
    yield made
    made.tables.on_boundary = made.sqs.on_boundary = None
    assert made.keeper.stop(PATIENCE_SECONDS)


@pytest.fixture
def still(clock: FakeClock) -> StillClock:
    assert isinstance(clock, StillClock)
    return clock


def bind(process: Process, queue: TransientQueue, exchange: str = "celeryev") -> None:
    process.keeper.bind(
        queue,
        exchange=exchange,
        kind="topic",
        routing_key="#",
        wait_seconds=PATIENCE_SECONDS,
    )


def until(process: Process) -> None:
    """Wait until the thread pauses, with nothing left to do."""
    keeper = process.keeper
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with keeper._changed:
            # The lock is free, so it pauses, or has not begun.
            if keeper._tried == keeper._asked and keeper._done == keeper._tried:
                return
            keeper._changed.wait(0.1)
    raise AssertionError("it does not come to rest")


def in_thread(target: object, *args: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=args)  # type: ignore[arg-type]
    thread.start()
    return thread


class Gate:
    """Lets a request begin, and go on when the test says so."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._open = threading.Event()

    def __call__(self) -> None:
        self.entered.set()
        assert self._open.wait(PATIENCE_SECONDS)

    def wait(self) -> None:
        assert self.entered.wait(PATIENCE_SECONDS)

    def open(self) -> None:
        self._open.set()


def test_bound_is_what_everybody_sees(process: Process) -> None:
    queue = process.declare()
    bind(process, queue)
    (binding,) = process.world.bindings.all()
    assert binding.token == queue.token


def test_bound_already_costs_nothing(process: Process) -> None:
    queue = process.declare()
    bind(process, queue)
    process.requests()
    bind(process, queue)
    assert process.requests() == []


def test_many_at_once_have_one_inbox(process: Process) -> None:
    queues = [process.declare(str(number)) for number in range(20)]
    threads = [in_thread(bind, process, queue) for queue in queues]
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    assert len(process.world.queue_urls()) == 1
    assert {each.queue for each in process.world.bindings.all()} == {each.name for each in queues}


def test_what_fails_is_raised_and_done_later(process: Process, still: StillClock) -> None:
    queue = process.declare()
    process.world.sqs.faults.fail("CreateQueue", FAULT)
    with pytest.raises(ServiceFaultError):
        bind(process, queue)
    assert process.world.bindings.all() == []
    assert still.has_paused(1)
    still.advance(1)
    assert still.has_paused(2)
    assert len(process.world.bindings.all()) == 1


def test_an_outage_is_no_reason_to_spin(process: Process, still: StillClock) -> None:
    process.world.sqs.faults.fail("CreateQueue", FAULT, times=1000)
    with pytest.raises(ServiceFaultError):
        bind(process, process.declare())
    for number in range(1, 5):
        assert still.has_paused(number)
        assert process.world.sqs.count("CreateQueue") == number
        still.advance(60)
    assert still.has_paused(5)
    assert still.pauses == [0.25, 0.5, 1.0, 2.0, 4.0]


def test_a_bug_is_raised_as_what_callers_expect(process: Process) -> None:
    """A worker takes an AwsError for no reason to end; anything else would end it."""
    process.tables.meets(before=lambda: 1 / 0)
    with pytest.raises(AwsError, match="a bug in celery-aws: ZeroDivisionError"):
        bind(process, process.declare())


def test_what_was_raised_keeps_nobodys_frames(process: Process) -> None:
    process.world.sqs.faults.fail("CreateQueue", FAULT)
    with pytest.raises(ServiceFaultError) as raised:
        bind(process, process.declare())
    assert raised.value is FAULT
    frames = [each.name for each in raised.traceback]
    assert "turn" not in frames


def test_a_wait_has_an_end(process: Process) -> None:
    gate = Gate()
    process.sqs.meets(before=gate)
    queue = process.declare()
    with pytest.raises(UnreachableError, match="no answer within 0 s"):
        process.keeper.bind(
            queue, exchange="celeryev", kind="topic", routing_key="#", wait_seconds=0.01
        )
    gate.open()
    bind(process, queue)
    assert len(process.world.bindings.all()) == 1


@pytest.mark.parametrize("how", ["bind", "unbind", "drop", "lose"])
def test_what_is_asked_for_while_it_waits_for_aws_is_done_next(process: Process, how: str) -> None:
    """And not when the inbox is renewed: nobody is there to be woken."""
    one, two = process.declare("one"), process.declare("two")
    bind(process, one)
    bind(process, one, "other")
    (url,) = process.world.queue_urls()
    gate = Gate()
    process.tables.meets(before=gate)
    binding = in_thread(bind, process, two)
    gate.wait()
    third: threading.Thread | None = None
    if how == "bind":
        third = in_thread(bind, process, process.declare("three"))
        with process.keeper._changed:
            assert process.keeper._changed.wait_for(
                lambda: process.keeper.local("celeryev")[-1].queue == "three", PATIENCE_SECONDS
            )
    elif how == "unbind":
        process.keeper.unbind(one, exchange="other", routing_key="#")
    elif how == "drop":
        process.keeper.drop(one)
    else:
        process.keeper.lose(url)
    gate.open()
    for thread in (binding, third):
        if thread is not None:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
    until(process)

    bound = {(each.exchange, each.queue) for each in process.world.bindings.all()}
    expected = {("celeryev", "one"), ("celeryev", "two"), ("other", "one")}
    expected |= {("celeryev", "three")} if how == "bind" else set()
    expected -= {("other", "one")} if how == "unbind" else set()
    expected -= {("celeryev", "one"), ("other", "one")} if how == "drop" else set()
    assert bound == expected
    assert (url in process.world.queue_urls()) == (how != "lose")


def test_idle_it_removes_the_inbox_in_its_time(process: Process, still: StillClock) -> None:
    queue = process.declare()
    bind(process, queue)
    process.keeper.drop(queue)
    until(process)
    still.advance(IDLE_SECONDS)
    assert process.world.sqs.wait_until(lambda: process.world.queue_urls() == set())


def test_it_renews_in_its_time(process: Process, still: StillClock) -> None:
    bind(process, process.declare())
    version = process.world.inboxes.all()[0].version
    renewed = threading.Event()
    process.tables.meets(after=renewed.set)
    assert still.has_paused(1)
    still.advance(LEASE_SECONDS / 2)
    assert renewed.wait(PATIENCE_SECONDS)
    assert process.world.inboxes.all()[0].version != version


def test_stopped_it_leaves_nothing(process: Process) -> None:
    bind(process, process.declare("one"))
    bind(process, process.declare("two"), "other")
    assert process.keeper.stop(PATIENCE_SECONDS)
    world = process.world
    assert (world.inboxes.all(), world.bindings.all(), world.queue_urls()) == ([], [], set())
    assert process.announced[-1] == {"celeryev", "other"}
    assert process.receivers[0].stopping


def test_stopped_in_a_slow_request_it_ends_with_that(process: Process) -> None:
    bind(process, process.declare("one"))
    gate = Gate()
    process.tables.meets(before=gate)
    refused = threading.Event()

    def binds() -> None:
        with pytest.raises(UnreachableError):
            bind(process, process.declare("two"))
        refused.set()

    binding = in_thread(binds)
    gate.wait()
    assert not process.keeper.stop(0.01)
    gate.open()
    assert process.keeper.stop(PATIENCE_SECONDS)
    binding.join(PATIENCE_SECONDS)
    assert refused.is_set()
    assert process.world.bindings.all() == []


def test_who_waits_when_the_process_ends_is_told(process: Process) -> None:
    process.world.sqs.faults.fail("CreateQueue", FAULT)
    with pytest.raises(ServiceFaultError):
        bind(process, process.declare())
    process.keeper.stop(PATIENCE_SECONDS)
    with pytest.raises(UnreachableError, match="the process is ending"):
        bind(process, process.declare("two"))
    process.keeper.unbind(process.declare("two"), exchange="celeryev", routing_key="#")
    assert process.world.queue_urls() == set()


def test_stopping_what_never_ran_is_nothing(process: Process) -> None:
    assert process.keeper.stop(0)
    assert process.requests() == []
