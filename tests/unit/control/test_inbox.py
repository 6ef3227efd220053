"""What of an inbox is on AWS, whatever happens to the process that makes it.

A process is killed, or refused, at every boundary of a request; what is left then has to be named
by the registry item, for a reaper to find. Each place is a test of its own: all of them are tried.
"""

from collections.abc import Callable
from contextlib import suppress

import pytest

from celery_aws.broker.reaper import Reaper
from celery_aws.control.inbox_queue import InboxQueue
from celery_aws.core.binding_items import sort_key_of
from celery_aws.errors import AwsError
from celery_aws.names import QueueUrl
from tests.unit.control.conftest import FAULT, LEASE_SECONDS, Process, StillClock, World
from tests.watched import KilledError


def life(process: Process) -> None:
    """Two queues, bound one after the other; a binding goes, a queue is declared anew; the end."""
    keeper = process.keeper
    one = process.declare("one")
    process.want(one, "pidbox", kind="fanout", routing_key="")
    keeper.turn()
    two = process.declare("two")
    process.want(two)
    process.want(two, routing_key="task.#")
    keeper.turn()
    keeper.unbind(two, exchange="celeryev", routing_key="#")
    keeper.turn()
    keeper.drop(one)
    process.queues.discard(one)
    process.want(process.declare("one"), "pidbox", kind="fanout", routing_key="")
    keeper.turn()
    keeper.lose(next(iter(process.world.queue_urls()), QueueUrl("")))
    keeper.turn()
    process.clock.advance(LEASE_SECONDS / 2)
    keeper.turn()
    keeper.drop(two)
    keeper.drop(process.declare("one"))
    keeper.turn()
    keeper._remove()


def watch(process: Process, happens: Callable[[int], None]) -> None:
    """Call ``happens`` with a number that grows at every boundary of a request."""
    seen = [0]

    def boundary(_name: str, _place: str) -> None:
        seen[0] += 1
        happens(seen[0])

    process.tables.on_boundary = process.sqs.on_boundary = boundary


def boundaries() -> int:
    process = Process(World(StillClock()))
    seen: list[int] = []
    watch(process, seen.append)
    life(process)
    return len(seen)


PLACES = range(1, boundaries() + 1)


def assert_all_is_named(world: World) -> None:
    records = world.inboxes.all()
    names = {key for record in records for key in record.bindings}
    assert {sort_key_of(each) for each in world.bindings.all()} <= names
    # One without a URL is found by its name.
    urls = {record.url for record in records if record.url}
    others = world.queue_urls() - urls
    unnamed = [record for record in records if not record.url]
    assert all(any(record.inbox in url for record in unnamed) for url in others)


def reap(world: World) -> None:
    reaper = Reaper(
        inboxes=world.inboxes,
        bindings=world.bindings,
        queue=InboxQueue(world.sqs, prefix="", tags={}),
        every_seconds=LEASE_SECONDS,
        clock=world.clock,
    )
    for _ in range(3):
        reaper.turn()
        world.clock.advance(LEASE_SECONDS)


def assert_nothing_is_left(world: World) -> None:
    assert (world.inboxes.all(), world.bindings.all(), world.queue_urls()) == ([], [], set())


def test_a_life_leaves_nothing(process: Process) -> None:
    life(process)
    assert_nothing_is_left(process.world)
    assert len(PLACES) > 30


@pytest.mark.parametrize("place", PLACES)
def test_what_a_killed_process_leaves_is_named_and_reaped(process: Process, place: int) -> None:
    def kill(number: int) -> None:
        if number == place:
            raise KilledError

    watch(process, kill)
    with pytest.raises(KilledError):
        life(process)

    assert_all_is_named(process.world)
    reap(process.world)
    assert_nothing_is_left(process.world)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("times", [1, 1000], ids=["once", "from-then-on"])
def test_whatever_fails_the_rest_is_named_and_a_turn_later_all_is_well(
    process: Process, place: int, times: int
) -> None:
    """Odd places fail before the request, even ones have lost its reply."""

    def fail(number: int) -> None:
        if place <= number < place + times:
            raise FAULT

    watch(process, fail)
    life(process)
    assert_all_is_named(process.world)
    process.tables.on_boundary = process.sqs.on_boundary = None
    process.want(process.declare("three"))
    process.keeper.turn()

    assert_all_is_named(process.world)
    bound = {(each.queue, each.inbox) for each in process.world.bindings.all()}
    assert ("three", process.keeper.inbox) in bound
    process.keeper._remove()
    reap(process.world)
    assert_nothing_is_left(process.world)


@pytest.mark.parametrize("place", PLACES)
def test_a_turn_after_a_failure_what_is_wanted_is_bound(process: Process, place: int) -> None:
    """And nothing else: what may have been written although it failed is removed."""
    world, inbox_changes = process.world, []

    def fail(number: int) -> None:
        if number == place:
            raise FAULT

    watch(process, fail)
    one, two = process.declare("one"), process.declare("two")
    steps: list[Callable[[], object]] = [
        lambda: process.want(one),
        lambda: process.want(two),
        lambda: process.keeper.drop(one),
        lambda: process.want(one, "other"),
        lambda: process.keeper.lose(next(iter(world.queue_urls()), QueueUrl(""))),
        lambda: None,
    ]
    for step in steps:
        step()
        process.keeper.turn()
        inbox_changes.append(process.keeper.inbox)
    for _ in range(2):
        process.keeper.turn()

    inbox = process.keeper.inbox
    assert {
        (each.exchange, each.queue) for each in world.bindings.all() if each.inbox == inbox
    } == {
        ("celeryev", "two"),
        ("other", "one"),
    }
    assert_all_is_named(world)
    told = set().union(*process.announced)
    assert told == {"celeryev", "other"}


def test_the_registry_item_is_there_before_the_queue(process: Process) -> None:
    process.want(process.declare())
    process.keeper.turn()
    assert process.tables.log == ["put_item", "put_item", "put_item"]
    assert process.sqs.log == ["create_queue"]
    (record,) = process.world.inboxes.all()
    assert process.world.queue_urls() == {record.url}
    assert record.duration_seconds == LEASE_SECONDS
    assert record.owner.count(":") == 1


def test_without_rights_on_the_table_no_queue_is_made(process: Process) -> None:
    process.want(process.declare())
    for _ in range(5):
        process.world.tables.fail_next("PutItem", FAULT)
        process.keeper.turn()
    assert process.sqs.log == []


def test_a_queue_whose_making_went_unanswered_is_the_one_that_is_used(process: Process) -> None:
    process.want(process.declare())
    process.world.sqs.faults.lose_reply("CreateQueue", times=3)
    for _ in range(4):
        process.keeper.turn()
    (url,) = process.world.queue_urls()
    (binding,) = process.world.bindings.all()
    assert binding.inbox_url == url


def test_an_inbox_that_cannot_be_made_is_renewed_all_the_same(process: Process) -> None:
    """Or a reaper would take it for abandoned while its queue is being made."""
    process.want(process.declare())
    process.world.sqs.faults.fail("CreateQueue", FAULT, times=3)
    versions = []
    for _ in range(3):
        process.keeper.turn()
        versions.append(process.world.inboxes.all()[0].version)
        process.clock.advance(LEASE_SECONDS / 3)
    assert versions[0] == versions[1] != versions[2]


def test_who_was_stopped_for_its_lease_writes_its_bindings_once_more(process: Process) -> None:
    """A reaper may have removed them, and have been killed before it removed the queue."""
    process.want(process.declare())
    process.keeper.turn()
    (binding,) = process.world.bindings.all()
    process.world.bindings.remove([sort_key_of(binding)])
    process.clock.advance(LEASE_SECONDS)
    process.keeper.turn()
    assert process.world.bindings.all() == [binding]


def test_a_receiver_that_could_not_be_started_is_started_later(process: Process) -> None:
    process.want(process.declare())
    process.keeper.turn()
    (receiver,) = process.receivers
    started = []
    receiver.start = lambda: started.append(receiver)  # type: ignore[method-assign]
    process.keeper.turn()
    assert started == [receiver]


def test_what_is_refused_is_told(process: Process) -> None:
    inbox = process.new_inbox()
    process.world.tables.fail_next("PutItem", FAULT)
    with pytest.raises(AwsError):
        inbox.hold([])
    with suppress(AwsError):
        inbox.remove()
    assert_nothing_is_left(process.world)
