import logging
import threading
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from celery_aws.aws.sqs import QueueService
from celery_aws.control import inbox_receiver
from celery_aws.control.inbox_receiver import NEW_QUEUE_SECONDS, InboxReceiver
from celery_aws.control.transient_queues import TransientQueue, TransientQueues
from celery_aws.core.inboxes import INBOX_RETENTION_SECONDS, INBOX_VISIBILITY_TIMEOUT_SECONDS
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parcels import Parcel, pack
from celery_aws.core.queue_traits import QueueTraits
from celery_aws.errors import AccessDeniedError, ServiceFaultError
from celery_aws.names import AmqpQueue, QueueName, QueueUrl
from tests.unit.control.conftest import (
    FAULT,
    PATIENCE_SECONDS,
    Sink,
    StillClock,
    World,
    parcel,
)
from tests.watched import Watched

NAME = QueueName("one.fifo")


class Bench:
    """A receiver, what feeds it, and what it tells."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sqs = Watched(world.sqs)
        self.url = world.new_queue(NAME)
        self.queues = TransientQueues(world.clock)
        self.queue = self.declare("one")
        self.told: list[Sequence[str] | None] = []
        self.lost = threading.Event()
        self._sent = 0
        self.receiver = self.new_receiver()

    def new_receiver(self, *, wait_seconds: int = 20, url: QueueUrl | None = None) -> InboxReceiver:
        return InboxReceiver(
            service=cast("QueueService", self.sqs),
            url=url or self.url,
            queues=self.queues,
            on_changed=self.told.append,
            on_lost=self.lost.set,
            wait_seconds=wait_seconds,
            clock=self.world.clock,
            jitter=lambda: 0.5,
        )

    def polled(self) -> None:
        """Take the first turn, which is about the queue and not about messages."""
        assert self.receiver.turn() == 0.0
        self.told.clear()
        self.sqs.log.clear()

    def declare(self, name: str) -> TransientQueue:
        return self.queues.declare(AmqpQueue(name), QueueTraits())

    def send(self, *bodies: str, group: str = "sender") -> None:
        for body in bodies:
            self._sent += 1
            outgoing = OutgoingMessage(
                body=body, message_group_id=group, message_deduplication_id=str(self._sent)
            )
            self.world.sqs.send(self.url, outgoing)

    def send_numbers(self, count: int) -> None:
        self.send(*(parcel(self.queue.token, body=str(number)) for number in range(count)))

    def taken(self, queue: TransientQueue | None = None) -> list[str]:
        bodies = []
        while (message := (queue or self.queue).take()) is not None:
            bodies.append(message["body"])
        return bodies

    def turn_until_nothing_is_kept(self) -> None:
        for _ in range(5):
            if self.kept():
                self.receiver.turn()
                self.world.clock.advance(INBOX_VISIBILITY_TIMEOUT_SECONDS)
        assert self.kept() == 0

    def kept(self) -> int:
        return len(self.world.sqs.messages(NAME))


@pytest.fixture
def bench(world: World) -> Iterator[Bench]:
    made = Bench(world)
    yield made
    made.receiver.stop(0)
    world.sqs.close()
    assert made.receiver.stop(PATIENCE_SECONDS)


def test_what_is_sent_arrives_in_order_and_is_deleted(bench: Bench) -> None:
    bench.polled()
    bench.send_numbers(12)
    for _ in range(2):
        assert bench.receiver.turn() == 0.0
    assert bench.taken() == list(map(str, range(12)))
    assert bench.kept() == 0
    assert bench.sqs.log == ["receive", "delete_batch"] * 2


def test_nothing_costs_one_poll(bench: Bench, world: World) -> None:
    bench.polled()
    polling = threading.Thread(target=bench.receiver.turn)
    polling.start()
    assert world.sqs.wait_until(lambda: world.sqs.polls_under_way == 1)
    world.clock.advance(20)
    polling.join(PATIENCE_SECONDS)
    assert bench.sqs.log == ["receive"]


def test_each_item_goes_to_its_queues(bench: Bench) -> None:
    two = bench.declare("two")
    bench.send(
        parcel(bench.queue.token, two.token, body="both"),
        parcel("gone", two.token, body="two"),
        parcel("gone"),
    )
    bench.receiver.turn()
    assert (bench.taken(), bench.taken(two), bench.kept()) == (["both"], ["both", "two"], 0)


def test_notices_are_told(bench: Bench) -> None:
    bench.polled()
    bench.send(pack(Parcel(changed=("celeryev", "other"))))
    bench.receiver.turn()
    assert bench.told == [("celeryev", "other")]


def test_the_first_poll_that_is_answered_does_not_wait_and_forgets_what_was_known(
    bench: Bench, world: World
) -> None:
    """Notices of the queue's first second were refused: whoever sent them saw no queue."""
    assert not bench.receiver.has_polled
    assert bench.receiver.turn() == 0.0
    assert bench.receiver.has_polled
    assert bench.told == [None]
    assert world.sqs.polls_under_way == 0


def test_messages_that_come_again_are_known(bench: Bench, world: World) -> None:
    bench.send_numbers(3)
    world.sqs.faults.fail("DeleteMessageBatch", FAULT)
    bench.receiver.turn()
    world.clock.advance(INBOX_VISIBILITY_TIMEOUT_SECONDS)
    bench.receiver.turn()
    assert bench.taken() == ["0", "1", "2"]
    assert bench.kept() == 0


def test_what_is_not_deleted_is_deleted_with_the_next(bench: Bench, world: World) -> None:
    bench.send_numbers(10)
    world.sqs.faults.refuse_entries("DeleteMessageBatch", entries=10)
    bench.receiver.turn()
    assert bench.kept() == 10
    bench.send(parcel(bench.queue.token, body="last"), group="another")
    bench.receiver.turn()
    assert bench.kept() == 0
    assert [call.entries for call in world.sqs.calls if "Delete" in call.operation] == [10, 10, 1]


def test_what_sqs_will_never_delete_is_not_tried_again(bench: Bench, world: World) -> None:
    bench.send_numbers(1)
    world.sqs.faults.refuse_entries("DeleteMessageBatch", sender_fault=True)
    bench.receiver.turn()
    bench.send(parcel(bench.queue.token), group="another")
    bench.receiver.turn()
    assert [call.entries for call in world.sqs.calls if "Delete" in call.operation] == [1, 1]


def test_it_remembers_only_the_last_messages(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_receiver, "_REMEMBERED", 5)
    bench.send_numbers(20)
    for _ in range(2):
        bench.receiver.turn()
    assert len(bench.receiver._received) == 5


@pytest.mark.parametrize(
    "junk",
    ["junk", "[]", "{}", '{"zlib": "AAAA"}', '{"messages": [[["t"], {}]]}', "[" * 100_000],
    ids=["text", "list", "empty", "zlib", "message", "deep"],
)
def test_junk_is_dropped_and_what_comes_behind_it_arrives(bench: Bench, junk: str) -> None:
    bench.send(junk, parcel(bench.queue.token, body="good"))
    bench.turn_until_nothing_is_kept()
    assert bench.taken() == ["good"]


def test_junk_is_told_without_its_content(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.send("a secret")
    bench.receiver.turn()
    assert "is dropped" in caplog.text
    assert "a secret" not in caplog.text


class TestMissing:
    def test_a_new_queue_may_be_missing_for_seconds(self, bench: Bench, world: World) -> None:
        world.sqs.delete_queue(bench.url)
        while world.clock.monotonic() < NEW_QUEUE_SECONDS:
            pause = bench.receiver.turn()
            assert pause == 0.5
            world.clock.advance(pause)
        assert not bench.receiver.has_polled
        assert bench.receiver.turn() is None
        assert bench.lost.is_set()

    def test_one_that_goes_later_is_lost_at_once(self, bench: Bench, world: World) -> None:
        bench.polled()
        world.clock.advance(NEW_QUEUE_SECONDS)
        world.sqs.delete_queue(bench.url)
        assert bench.receiver.turn() is None
        assert bench.lost.is_set()

    def test_one_that_was_removed_here_is_not_lost(self, bench: Bench, world: World) -> None:
        """The keeper removed an idle inbox while its receiver was in a long poll."""
        bench.polled()
        world.clock.advance(NEW_QUEUE_SECONDS)

        def remove() -> None:
            bench.receiver.stop(0)
            world.sqs.delete_queue(bench.url)

        bench.sqs.meets(before=remove)
        assert bench.receiver.turn() is None
        assert not bench.lost.is_set()


class TestOutage:
    def test_it_waits_longer_and_longer_and_says_so_seldom(
        self, bench: Bench, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.sqs.faults.fail("ReceiveMessage", FAULT, times=9)
        pauses = [bench.receiver.turn() for _ in range(9)]
        assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
        assert pauses[-1] == 2.5
        assert len(caplog.records) == 4
        assert {each.levelno for each in caplog.records} == {logging.WARNING}

    def test_afterwards_all_arrives(self, bench: Bench, world: World) -> None:
        bench.polled()
        bench.send_numbers(2)
        world.sqs.faults.fail("ReceiveMessage", FAULT, times=3)
        for _ in range(4):
            bench.receiver.turn()
        assert bench.taken() == ["0", "1"]

    def test_the_first_poll_after_it_does_not_wait(self, bench: Bench, world: World) -> None:
        bench.polled()
        world.sqs.faults.fail("ReceiveMessage", FAULT)
        bench.receiver.turn()
        assert bench.receiver.turn() == 0.0

    def test_rights_that_are_granted_later_are_enough(self, bench: Bench, world: World) -> None:
        refusal = AccessDeniedError("no", service="sqs", operation="ReceiveMessage")
        world.sqs.faults.fail("ReceiveMessage", refusal)
        bench.send_numbers(1)
        bench.receiver.turn()
        bench.receiver.turn()
        assert bench.taken() == ["0"]

    def test_an_unanswered_receive_comes_again(self, bench: Bench, world: World) -> None:
        bench.send_numbers(2)
        world.sqs.faults.lose_reply("ReceiveMessage")
        bench.receiver.turn()
        world.clock.advance(INBOX_VISIBILITY_TIMEOUT_SECONDS)
        bench.receiver.turn()
        assert bench.taken() == ["0", "1"]

    @pytest.mark.parametrize(
        ("seconds", "told"),
        [(INBOX_RETENTION_SECONDS / 2, []), (INBOX_RETENTION_SECONDS / 2 + 1, [None])],
    )
    def test_after_a_gap_notices_may_be_gone(
        self, bench: Bench, world: World, seconds: float, told: list[None]
    ) -> None:
        bench.polled()
        world.clock.advance(seconds)
        bench.send_numbers(1)
        bench.receiver.turn()
        assert bench.told == told

    def test_a_bug_is_said_with_its_place_and_is_not_the_end(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.polled()
        bench.sqs.meets(before=lambda: 1 / 0)
        assert bench.receiver.turn() == 0.1
        (record,) = caplog.records
        assert (record.levelno, record.exc_info is None) == (logging.CRITICAL, False)

    def test_a_consumer_that_raises_costs_its_own_message_only(self, bench: Bench) -> None:
        class Broken(Sink):
            def accept(self, message: Any) -> None:
                super().accept(message)
                if message["body"] == "1":
                    raise ZeroDivisionError

        sink = Broken()
        bench.queue.add_consumer(sink)
        bench.send_numbers(4)
        bench.turn_until_nothing_is_kept()
        assert [each["body"] for each in sink.messages] == ["0", "1", "2", "3"]


class TestShortPolls:
    def test_with_nothing_it_pauses(self, bench: Bench) -> None:
        receiver = bench.new_receiver(wait_seconds=0)
        assert [receiver.turn(), receiver.turn()] == [1.0, 1.0]

    def test_with_something_it_asks_again_at_once(self, bench: Bench) -> None:
        receiver = bench.new_receiver(wait_seconds=0)
        bench.send_numbers(20)
        assert [receiver.turn(), receiver.turn(), receiver.turn()] == [0.0, 0.0, 1.0]


class TestThread:
    def test_it_runs_until_it_is_stopped(self, bench: Bench, world: World) -> None:
        sink = Sink()
        bench.queue.add_consumer(sink)
        bench.receiver.start()
        for count in (1, 2):
            assert world.sqs.wait_until(lambda: world.sqs.polls_under_way == 1)
            bench.send_numbers(1)
            assert sink.has(count)
        bench.receiver.stop(0)
        world.clock.advance(20)
        assert bench.receiver.stop(PATIENCE_SECONDS)

    def test_stopped_in_a_poll_it_takes_nothing_any_more(self, bench: Bench, world: World) -> None:
        bench.receiver.start()
        assert world.sqs.wait_until(lambda: world.sqs.polls_under_way == 1)
        assert not bench.receiver.stop(0)
        bench.send_numbers(1)
        assert bench.receiver.stop(PATIENCE_SECONDS)
        assert (bench.taken(), bench.kept()) == ([], 1)

    def test_stopped_in_a_pause_it_ends_at_once(self, bench: Bench, world: World) -> None:
        world.sqs.faults.fail("ReceiveMessage", FAULT, times=1000)
        bench.receiver.start()
        clock = cast("StillClock", world.clock)
        assert clock.has_paused(1)
        assert bench.receiver.stop(PATIENCE_SECONDS)
        assert clock.pauses == [0.1]

    def test_an_outage_is_no_reason_to_spin(self, bench: Bench, world: World) -> None:
        world.sqs.faults.fail("ReceiveMessage", ServiceFaultError("down"), times=3)
        bench.send_numbers(1)
        sink = Sink()
        bench.queue.add_consumer(sink)
        bench.receiver.start()
        clock = cast("StillClock", world.clock)
        for number in (1, 2, 3):
            assert clock.has_paused(number)
            assert world.sqs.count("ReceiveMessage") == number
            clock.advance(5)
        assert sink.has(1)

    def test_it_ends_when_the_queue_is_gone(self, bench: Bench, world: World) -> None:
        bench.receiver.start()
        assert world.sqs.wait_until(lambda: world.sqs.polls_under_way == 1)
        world.sqs.delete_queue(bench.url)
        world.clock.advance(20)
        assert bench.lost.wait(PATIENCE_SECONDS)
        assert bench.receiver._finished.wait(PATIENCE_SECONDS)
