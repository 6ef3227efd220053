"""The keeper's turns; its thread is in test_inbox_keeper_thread.py."""

import logging

import pytest

from celery_aws.control.inbox_keeper import IDLE_SECONDS
from celery_aws.errors import AccessDeniedError
from celery_aws.names import QueueUrl
from tests.unit.control.conftest import FAULT, LEASE_SECONDS, Process, TurnedKeeper, World


def bound(process: Process) -> set[tuple[str, str, str]]:
    return {(each.exchange, each.queue, each.token or "") for each in process.world.bindings.all()}


def test_without_queues_nothing_is_asked_for(process: Process) -> None:
    for _ in range(3):
        process.keeper.turn()
        process.clock.advance(LEASE_SECONDS)
    assert process.requests() == []
    assert (process.keeper.inbox, process.keeper.hears) == ("", False)


def test_what_is_bound_together_is_registered_at_once(process: Process) -> None:
    one, two = process.declare("one"), process.declare("two")
    process.want(one)
    process.want(two)
    process.keeper.turn()
    assert process.requests() == ["put_item"] * 4 + ["create_queue"]
    assert bound(process) == {("celeryev", "one", one.token), ("celeryev", "two", two.token)}
    (record,) = process.world.inboxes.all()
    assert record.inbox == process.keeper.inbox
    assert len(record.bindings) == 2


def test_an_idle_inbox_costs_one_request_each_half_lease(process: Process) -> None:
    process.want(process.declare())
    process.keeper.turn()
    process.requests()
    for _ in range(4):
        version = process.world.inboxes.all()[0].version
        seconds = process.keeper.turn()
        assert process.requests() == []
        assert seconds == LEASE_SECONDS / 2
        process.clock.advance(seconds)
        process.keeper.turn()
        assert process.requests() == ["put_item"]
        assert process.world.inboxes.all()[0].version != version
        assert process.world.inboxes.all()[0].bindings


def test_a_binding_is_removed_and_the_others_stay(process: Process) -> None:
    queue = process.declare()
    process.want(queue)
    process.want(queue, "other")
    process.keeper.turn()
    process.requests()
    process.keeper.unbind(queue, exchange="celeryev", routing_key="#")
    process.keeper.turn()
    assert process.requests() == ["write_batch"]
    assert bound(process) == {("other", "one", queue.token)}
    assert process.announced == [{"celeryev", "other"}, {"celeryev"}]
    assert process.keeper.is_bound(queue)


def test_a_dropped_queue_has_no_bindings(process: Process) -> None:
    one, two = process.declare("one"), process.declare("two")
    for queue in (one, two):
        process.want(queue)
        process.want(queue, "other")
    process.keeper.turn()
    process.keeper.drop(one)
    process.keeper.turn()
    assert {name for _, name, _ in bound(process)} == {"two"}
    assert not process.keeper.is_bound(one)
    assert process.keeper.local("celeryev") == [
        each for each in process.world.bindings.all() if each.exchange == "celeryev"
    ]


@pytest.mark.parametrize("turn_between", [False, True])
def test_a_queue_that_is_declared_anew_is_bound_with_its_new_token(
    process: Process, turn_between: bool
) -> None:
    old = process.declare()
    process.want(old)
    process.keeper.turn()
    process.keeper.drop(old)
    process.queues.discard(old)
    if turn_between:
        process.keeper.turn()
    new = process.declare()
    process.want(new)
    process.keeper.drop(old)
    process.keeper.turn()
    assert bound(process) == {("celeryev", "one", new.token)}


def test_without_queues_it_is_kept_for_a_while_and_then_removed(process: Process) -> None:
    queue = process.declare()
    process.want(queue)
    process.keeper.turn()
    first = process.keeper.inbox
    process.keeper.drop(queue)
    assert process.keeper.turn() == IDLE_SECONDS
    process.clock.advance(IDLE_SECONDS - 1)
    assert process.keeper.turn() == 1
    assert process.keeper.inbox == first
    process.clock.advance(1)
    process.requests()
    process.keeper.turn()
    assert process.requests() == ["delete_item", "delete_queue"]
    assert process.receivers[0].stopping
    assert (process.world.inboxes.all(), process.world.queue_urls()) == ([], set())

    process.want(process.declare("two"))
    process.keeper.turn()
    assert process.keeper.inbox not in ("", first)
    assert len(process.world.inboxes.all()) == 1


def test_a_queue_in_time_keeps_it(process: Process) -> None:
    queue = process.declare()
    process.want(queue)
    process.keeper.turn()
    process.keeper.drop(queue)
    process.keeper.turn()
    process.clock.advance(IDLE_SECONDS - 1)
    process.want(process.declare("two"))
    process.keeper.turn()
    process.clock.advance(IDLE_SECONDS)
    process.keeper.turn()
    assert len(process.receivers) == 1
    # Its time begins anew.
    process.keeper.drop(process.declare("two"))
    assert process.keeper.turn() == IDLE_SECONDS


def test_an_inbox_whose_queue_is_gone_is_made_anew_with_all_bindings(process: Process) -> None:
    one, two = process.declare("one"), process.declare("two")
    process.want(one)
    process.want(two, "other")
    process.keeper.turn()
    (url,) = process.world.queue_urls()
    process.world.sqs.delete_queue(url)
    process.keeper.lose(url)
    process.keeper.turn()
    (new,) = process.world.queue_urls()
    assert new != url
    assert {each.inbox_url for each in process.world.bindings.all()} == {new}
    assert bound(process) == {("celeryev", "one", one.token), ("other", "two", two.token)}
    assert [each.url for each in process.world.inboxes.all()] == [new]
    assert [each.stopping for each in process.receivers] == [True, False]


def test_the_loss_of_an_earlier_inbox_is_nothing_to_the_next(process: Process) -> None:
    """Its receiver is in a long poll for some time, and finds its queue gone after that."""
    process.want(process.declare())
    process.keeper.turn()
    (url,) = process.world.queue_urls()
    process.keeper.lose(url)
    process.keeper.turn()
    inbox = process.keeper.inbox
    process.keeper.lose(url)
    process.keeper.lose(QueueUrl(""))
    process.keeper.turn()
    assert process.keeper.inbox == inbox


def test_nothing_is_left_of_an_inbox_that_was_only_thought_to_be_lost(process: Process) -> None:
    process.want(process.declare())
    process.keeper.turn()
    (url,) = process.world.queue_urls()
    process.keeper.lose(url)
    process.keeper.turn()
    assert url not in process.world.queue_urls()


def test_two_keepers_have_two_inboxes(world: World) -> None:
    first, second = Process(world), Process(world)
    for process in (first, second):
        process.want(process.declare(), "pidbox")
        process.keeper.turn()
    assert len(world.queue_urls()) == len(world.bindings.all()) == 2
    first.keeper._remove()
    (record,), (binding,) = world.inboxes.all(), world.bindings.all()
    assert record.inbox == binding.inbox == second.keeper.inbox


def test_after_failures_it_waits_longer_and_longer_and_says_so_seldom(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.want(process.declare())
    waits = []
    for _ in range(9):
        process.world.tables.fail_next("PutItem", FAULT)
        waits.append(process.keeper.turn())
    assert waits[:4] == [0.25, 0.5, 1.0, 2.0]
    assert max(waits) == waits[-1] == 30.0
    assert len([each for each in caplog.records if "do not work now" in each.message]) == 4
    process.keeper.turn()
    assert len(process.world.bindings.all()) == 1


def test_a_bug_is_said_with_its_place_and_is_not_the_end(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.want(process.declare())
    process.tables.meets(before=lambda: 1 / 0)
    process.keeper.turn()
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert record.exc_info is not None
    process.keeper.turn()
    assert len(process.world.bindings.all()) == 1


def test_a_bug_in_what_expires_is_not_the_end_either(process: Process) -> None:
    process.keeper = process.new_keeper(TurnedKeeper, expire=lambda: 1 / 0)
    process.want(process.declare())
    assert process.keeper.turn() > 0
    assert process.keeper._tried == process.keeper._asked


def test_it_looks_when_a_queue_may_expire(process: Process) -> None:
    process.keeper = process.new_keeper(TurnedKeeper, expire=lambda: 5.0)
    assert process.keeper.turn() == 5.0


def test_what_cannot_be_removed_is_left_to_the_reaper(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    process.want(process.declare())
    process.keeper.turn()
    refusal = AccessDeniedError("no", service="sqs", operation="DeleteQueue")
    process.world.sqs.faults.fail("DeleteQueue", refusal)
    process.keeper._remove()
    assert "its lease has to run out" in caplog.text
    assert len(process.world.inboxes.all()) == len(process.world.queue_urls()) == 1
    assert process.keeper.inbox == ""


def test_it_is_known_whether_there_is_a_queue(process: Process) -> None:
    process.world.sqs.faults.fail("CreateQueue", FAULT)
    process.want(process.declare())
    for has_queue in (False, True):
        process.keeper.turn()
        assert process.keeper.has_queue == has_queue
        assert process.keeper.inbox
    process.keeper._remove()
    assert not process.keeper.has_queue


def test_it_hears_once_the_queue_has_answered(process: Process) -> None:
    """What is sent to a queue that is not a second old may be refused."""
    process.want(process.declare())
    process.keeper.turn()
    assert not process.keeper.hears
    process.receivers[0].turn()
    assert process.keeper.hears
    (url,) = process.world.queue_urls()
    process.keeper.lose(url)
    process.keeper.turn()
    assert not process.keeper.hears


def test_what_is_wanted_here_is_known_at_once(process: Process) -> None:
    queue = process.declare()
    process.want(queue)
    (wanted,) = process.keeper.local("celeryev")
    assert (wanted.queue, wanted.token) == ("one", queue.token)
    assert wanted.transient
    assert process.keeper.local("other") == []
    process.keeper.turn()
    assert process.keeper.local("celeryev") == process.world.bindings.all()
