"""What is sent of events, and to whom; the thread is in test_event_sender_thread.py."""

import json
import logging
from collections.abc import Sequence
from typing import Any, cast

import pytest

from celery_aws.aws.sqs import QueueService
from celery_aws.control import event_sender
from celery_aws.control.courier import Courier
from celery_aws.control.event_sender import (
    BUNDLE_BYTES,
    BUNDLE_EVENTS,
    GONE_SECONDS,
    INTERVAL_SECONDS,
    NEW_INBOX_SECONDS,
    Event,
    EventSender,
)
from celery_aws.control.transient_queues import TransientQueues
from celery_aws.core.envelope import decode_body
from celery_aws.core.parcels import unpack
from celery_aws.core.queue_traits import QueueTraits
from celery_aws.core.routing import Binding
from celery_aws.names import AmqpQueue, QueueUrl
from tests.unit.control.conftest import FAULT, World, binding, message
from tests.unit.schedule.test_outbox import incompressible
from tests.watched import Watched

EVENTS = "celeryev"


class TurnedSender(EventSender):
    """Takes turns when a test says so."""

    def start(self) -> None:
        pass


class Bench:
    """A sender, the monitors that a test binds, and what it counts."""

    def __init__(self, world: World, kind: type[EventSender] = TurnedSender) -> None:
        self.world = world
        self.sqs = Watched(world.sqs)
        self.queues = TransientQueues(world.clock)
        self.bound: list[Binding] = []
        self.unreadable: Exception | None = None
        self.dropped = 0
        self.sender = kind(
            nobody=lambda _: not self.bound,
            bound=self._bound,
            courier=Courier(cast("QueueService", self.sqs)),
            queues=self.queues,
            heartbeat_seconds=15.0,
            count_dropped=self._count,
            clock=world.clock,
            jitter=lambda: 0.5,
        )

    def monitor(self, name: str = "one", routing_key: str = "#") -> QueueUrl:
        url = self.world.new_queue(f"{name}.fifo")
        self.bound.append(binding(EVENTS, name, routing_key=routing_key, url=url))
        return url

    def put(self, *bodies: str, routing_key: str = "task.received", **facts: Any) -> None:
        for body in bodies:
            self.sender.put(
                Event(exchange=EVENTS, routing_key=routing_key, message=message(body, **facts))
            )

    def heartbeat(self) -> None:
        self.put(json.dumps({"freq": 2.0}), routing_key="worker.heartbeat", hostname="worker@host")

    def bundles(self, url: QueueUrl) -> list[list[str]]:
        """Return the bodies of the events in each SQS message."""
        parcels = [unpack(body) for body in self.world.bodies(url)]
        return [[body_of(item.message) for item in parcel.items] for parcel in parcels]

    def heard(self, url: QueueUrl) -> list[str]:
        """Return the bodies of all events in order."""
        return [body for bundle in self.bundles(url) for body in bundle]

    def _bound(self, _exchange: str) -> Sequence[Binding]:
        if self.unreadable is not None:
            raise self.unreadable
        return self.bound

    def _count(self, events: int) -> None:
        self.dropped += events


def body_of(sent: Any) -> str:
    body = decode_body(sent["body"], sent["properties"]["body_encoding"])
    return body if isinstance(body, str) else body.decode()


@pytest.fixture
def bench(world: World) -> Bench:
    return Bench(world)


def test_with_nobody_bound_nothing_is_kept_or_asked_for(bench: Bench) -> None:
    bench.put("1", "2")
    assert not bench.sender._buffer
    bench.sender.turn()
    assert bench.sqs.log == []


def test_what_waits_is_one_message_to_each_that_listens(bench: Bench) -> None:
    all_of_it = bench.monitor("one")
    tasks = bench.monitor("two", "task.#")
    bench.monitor("three", "worker.#")
    bench.put("1")
    bench.put("2", routing_key="task-failed")
    bench.put("3")
    bench.sender.turn()
    assert bench.bundles(all_of_it) == [["1", "2", "3"]]
    assert bench.bundles(tasks) == [["1", "3"]]
    assert bench.sqs.log == ["send", "send"]


def test_an_event_comes_as_it_was_published(bench: Bench) -> None:
    url = bench.monitor()
    bench.put('{"type": "task-received"}', hostname="worker@host")
    bench.sender.turn()
    (item,) = unpack(bench.world.bodies(url)[0]).items
    assert item.tokens == ("token of one",)
    assert item.message["headers"] == {"hostname": "worker@host"}
    assert item.message["content-type"] == "application/json"
    properties = item.message["properties"]
    assert properties["delivery_info"] == {"exchange": EVENTS, "routing_key": "task.received"}
    assert properties["delivery_tag"]


def test_two_queues_of_one_process_are_one_message(bench: Bench) -> None:
    url = bench.monitor("one")
    bench.bound.append(binding(EVENTS, "two", url=url))
    bench.put("1")
    bench.sender.turn()
    (item,) = unpack(bench.world.bodies(url)[0]).items
    assert set(item.tokens) == {"token of one", "token of two"}


def test_queues_of_this_process_need_no_request(bench: Bench) -> None:
    queue = bench.queues.declare(AmqpQueue("own"), QueueTraits())
    url = bench.world.new_queue()
    own = binding(EVENTS, "own", url=url)
    bench.bound.append(Binding(**{**vars(own), "token": queue.token}))
    bench.put("1")
    bench.sender.turn()
    taken = queue.take()
    assert taken is not None
    assert body_of(taken) == "1"
    assert bench.sqs.log == []


def test_queues_on_sqs_are_not_its_business(bench: Bench) -> None:
    bench.bound.append(binding(EVENTS, "durable"))
    url = bench.monitor()
    bench.put("1")
    bench.sender.turn()
    assert bench.bundles(url) == [["1"]]
    assert bench.sqs.log == ["send"]


def test_a_turn_takes_one_bundle(bench: Bench) -> None:
    url = bench.monitor()
    bench.put(*map(str, range(BUNDLE_EVENTS + 1)))
    bench.sender.turn()
    bench.sender.turn()
    assert [len(bundle) for bundle in bench.bundles(url)] == [BUNDLE_EVENTS, 1]
    assert bench.heard(url) == list(map(str, range(BUNDLE_EVENTS + 1)))


def test_bundles_are_cut_by_size_and_are_what_sqs_takes_for_one_request(bench: Bench) -> None:
    url = bench.monitor()
    arguments = json.dumps({"args": "x" * 3_000})
    bench.put(*[arguments] * 200)
    bench.sender.turn()
    sizes_bytes = [len(arguments) * len(bundle) for bundle in bench.bundles(url)]
    assert sum(sizes_bytes) == len(arguments) * 200
    assert BUNDLE_BYTES * 0.9 < max(sizes_bytes) < BUNDLE_BYTES
    assert max(map(len, bench.world.bodies(url))) < 64 * 1024


def test_one_event_that_is_too_large_costs_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = bench.monitor("one"), bench.monitor("two")
    bench.put("1", incompressible(1_500_000), "3")
    bench.sender.turn()
    assert [bench.heard(url) for url in (one, two)] == [["1", "3"]] * 2
    assert bench.dropped == 2
    assert "an event is lost" in caplog.text
    # Nothing is wrong with AWS: there is no reason to wait.
    assert bench.sender._failures == 0


def test_it_is_time_at_once_and_then_once_a_second(bench: Bench) -> None:
    bench.monitor()
    assert not bench.sender._is_time()
    bench.put("1")
    assert bench.sender._is_time()
    bench.sender.turn()
    bench.put("2")
    assert not bench.sender._is_time()
    bench.world.clock.advance(INTERVAL_SECONDS)
    assert bench.sender._is_time()
    bench.sender.turn()
    bench.put(*["3"] * (BUNDLE_EVENTS - 1))
    assert not bench.sender._is_time()
    bench.put("full")
    assert bench.sender._is_time()


class TestHeartbeats:
    def test_they_are_thinned(self, bench: Bench) -> None:
        url = bench.monitor()
        for _ in range(30):
            bench.heartbeat()
            bench.sender.turn()
            bench.world.clock.advance(2)
        assert 3 <= len(bench.bundles(url)) <= 5
        assert {json.loads(each)["freq"] for bundle in bench.bundles(url) for each in bundle} == {
            15.0
        }

    def test_they_ride_with_what_is_sent_anyway(self, bench: Bench) -> None:
        url = bench.monitor()
        bench.heartbeat()
        bench.sender.turn()
        bench.world.clock.advance(2)
        bench.heartbeat()
        bench.sender.turn()
        assert len(bench.bundles(url)) == 1
        bench.put("task")
        bench.sender.turn()
        assert [json.loads(each) for each in bench.bundles(url)[1][:1]] == [{"freq": 15.0}]
        assert bench.bundles(url)[1][1:] == ["task"]

    def test_they_are_no_reason_for_a_request_to_who_hears_nothing_else(self, bench: Bench) -> None:
        """As workers that gossip do, while tasks are worked on elsewhere."""
        workers = bench.monitor("workers", "worker.#")
        tasks = bench.monitor("tasks", "task.#")
        for _ in range(9):
            bench.heartbeat()
            bench.put("task")
            bench.sender.turn()
            bench.world.clock.advance(2)
        assert len(bench.bundles(tasks)) == 9
        assert len(bench.bundles(workers)) == 2


class TestGone:
    def test_an_inbox_that_was_just_made_is_tried_again(self, bench: Bench) -> None:
        url = bench.monitor()
        bench.world.sqs.delete_queue(url)
        bench.put("1")
        bench.sender.turn()
        bench.world.clock.advance(60)
        bench.world.new_queue("one.fifo")
        bench.sender._missing[url] = bench.world.clock.monotonic() - NEW_INBOX_SECONDS + 1
        bench.put("2")
        bench.sender.turn()
        assert bench.bundles(url) == [["2"]]
        assert bench.sender._missing == {}

    def test_one_that_stays_away_is_left_alone(self, bench: Bench) -> None:
        url = bench.monitor()
        bench.world.sqs.delete_queue(url)
        for _ in range(120):
            bench.put("1")
            bench.sender.turn()
            bench.world.clock.advance(1)
        assert (
            len(bench.sqs.log) == NEW_INBOX_SECONDS + 1 or len(bench.sqs.log) == NEW_INBOX_SECONDS
        )
        bench.world.clock.advance(GONE_SECONDS)
        bench.put("1")
        bench.sender.turn()
        assert len(bench.sqs.log) <= NEW_INBOX_SECONDS + 2
        assert bench.dropped == 0

    def test_those_of_long_ago_are_forgotten(self, bench: Bench) -> None:
        for number in range(5):
            url = bench.monitor(str(number))
            bench.world.sqs.delete_queue(url)
            bench.put("1")
            bench.sender.turn()
            bench.bound.clear()
            bench.world.clock.advance(GONE_SECONDS)
        assert len(bench.sender._missing) == 1

    def test_the_others_hear_all_the_same(self, bench: Bench) -> None:
        gone, there = bench.monitor("gone"), bench.monitor("there")
        bench.world.sqs.delete_queue(gone)
        for _ in range(3):
            bench.put("1")
            bench.sender.turn()
        assert bench.bundles(there) == [["1"]] * 3
        assert bench.sender._failures == 0


class TestFailures:
    def test_what_does_not_fit_is_counted(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(event_sender, "BUFFERED_MAX", 3)
        url = bench.monitor()
        bench.put("1", "2", "3", "4", "5")
        assert bench.dropped == 2
        bench.sender.turn()
        assert bench.bundles(url) == [["1", "2", "3"]]

    def test_in_an_outage_it_waits_longer_and_longer_and_says_so_seldom(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.monitor()
        bench.world.sqs.faults.fail("SendMessage", FAULT, times=9)
        waits = []
        for _ in range(9):
            bench.put("1", "2")
            bench.sender.turn()
            waits.append(bench.sender._next_send - bench.world.clock.monotonic())
        assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
        assert waits[-1] == 30.0
        assert bench.dropped == 18
        said = [each for each in caplog.records if "cannot be sent now" in each.message]
        assert len(said) == 4

    def test_in_an_outage_a_full_bundle_is_no_reason_not_to_wait(self, bench: Bench) -> None:
        bench.monitor()
        bench.world.sqs.faults.fail("SendMessage", FAULT)
        bench.put("1")
        bench.sender.turn()
        bench.put(*["2"] * BUNDLE_EVENTS)
        assert not bench.sender._is_time()

    def test_afterwards_they_come_again(self, bench: Bench) -> None:
        url = bench.monitor()
        bench.world.sqs.faults.fail("SendMessage", FAULT)
        for body in ("lost", "sent"):
            bench.put(body)
            bench.sender.turn()
        assert bench.bundles(url) == [["sent"]]
        assert (bench.dropped, bench.sender._failures) == (1, 0)

    def test_one_inbox_that_refuses_does_not_keep_the_others_waiting(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        one, two = bench.monitor("one"), bench.monitor("two")
        for number in range(4):
            bench.sqs.meets(before=lambda: bench.world.sqs.faults.fail("SendMessage", FAULT))
            bench.sqs.meets()
            bench.put(str(number))
            bench.sender.turn()
            wait_seconds = bench.sender._next_send - bench.world.clock.monotonic()
            assert wait_seconds == INTERVAL_SECONDS
        assert bench.bundles(one) == []
        assert bench.bundles(two) == [["0"], ["1"], ["2"], ["3"]]
        assert bench.dropped == 4
        assert len(caplog.records) == 3

    def test_bindings_that_cannot_be_read_cost_their_events(self, bench: Bench) -> None:
        url = bench.monitor()
        bench.put("1", "2")
        bench.unreadable = FAULT
        bench.sender.turn()
        bench.unreadable = None
        bench.put("3")
        bench.sender.turn()
        assert (bench.dropped, bench.bundles(url)) == (2, [["3"]])

    def test_a_bug_is_said_with_its_place(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.monitor()
        bench.sqs.meets(before=lambda: 1 / 0)
        bench.put("1")
        bench.sender.turn()
        (record,) = caplog.records
        assert (record.levelno, record.exc_info is None) == (logging.CRITICAL, False)
        assert bench.dropped == 1
        assert not bench.sender._sending
