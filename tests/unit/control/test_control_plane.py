"""Planes of several processes on one SQS and one table, with their threads; no real time passes."""

import atexit
import json
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from celery_aws.control.control_plane import ControlPlane
from celery_aws.control.event_sender import Event
from celery_aws.control.inbox_keeper import IDLE_SECONDS
from celery_aws.control.inbox_receiver import NEW_QUEUE_SECONDS
from celery_aws.control.routes import NOBODY_SECONDS
from celery_aws.core.control_messages import ControlCommand
from celery_aws.core.inbox_items import InboxRecord
from celery_aws.core.queue_traits import QueueTraits
from celery_aws.core.reply_polling import IDLE_SECONDS as IDLE_POLLING_SECONDS
from celery_aws.core.routing import ExchangeKind
from celery_aws.errors import ServiceFaultError
from celery_aws.names import AmqpQueue, InboxId, QueueUrl
from tests.unit.control.conftest import (
    FAULT,
    PATIENCE_SECONDS,
    Planes,
    Sink,
    World,
    binding,
    eventually,
    message,
)
from tests.unit.control.test_event_sender import body_of

EVENTS = "celeryev"
PIDBOX = "celery.pidbox"


class Node:
    """A process with a plane, and a queue bound to an exchange."""

    def __init__(
        self,
        plane: ControlPlane,
        name: str,
        exchange: str = PIDBOX,
        kind: ExchangeKind = "fanout",
        **traits: Any,
    ) -> None:
        self.plane = plane
        self.sink = Sink()
        self.queue = plane.queues.declare(AmqpQueue(name), QueueTraits(**traits))
        plane.keeper.bind(
            self.queue,
            exchange=exchange,
            kind=kind,
            routing_key="#",
            wait_seconds=PATIENCE_SECONDS,
        )
        self.queue.add_consumer(self.sink)
        eventually(lambda: plane.keeper.hears)

    def has(self, count: int) -> bool:
        """Wait until so much was heard, also of what rests between two polls."""
        eventually(lambda: len(self.sink.messages) >= count, self.plane._clock)
        return True

    def heard(self) -> list[str]:
        return [each["body"] for each in self.sink.messages]


def command(*destination: str, reply_to: str | None = None, method: str = "ping") -> ControlCommand:
    return ControlCommand(
        method=method,
        destination=frozenset(destination) or None,
        reply_to=reply_to,
        for_all=not destination,
    )


def send(
    plane: ControlPlane, told: ControlCommand, published: dict[str, Any] | None = None
) -> list[AmqpQueue]:
    return plane.send_command(told, PIDBOX, "", published or message("command"))


def event(body: str = "event") -> Event:
    return Event(exchange=EVENTS, routing_key="task.received", message=message(body))


@pytest.fixture
def nodes(planes: Planes) -> list[Node]:
    return [Node(planes(), f"{name}.{PIDBOX}") for name in ("one", "two", "three")]


class TestCommands:
    def test_one_for_all_is_heard_by_all(self, planes: Planes, nodes: list[Node]) -> None:
        assert send(planes(), command()) == []
        for node in nodes:
            assert node.has(1)

    def test_one_with_a_destination_reaches_only_that(
        self, world: World, planes: Planes, nodes: list[Node]
    ) -> None:
        send(planes(), command("two", "nobody"))
        assert nodes[1].has(1)
        assert world.sqs.count("SendMessage") == 1
        assert [node.heard() for node in nodes] == [[], ["command"], []]

    def test_one_for_nobody_costs_one_query(self, world: World, planes: Planes) -> None:
        assert send(planes(), command("nobody")) == []
        assert world.tables.requests == {"Query": 1}
        assert world.sqs.calls == []

    def test_its_bindings_are_read_afresh(self, planes: Planes) -> None:
        client = planes()
        send(client, command())
        node = Node(planes(), f"new.{PIDBOX}")
        send(client, command())
        assert node.has(1)

    def test_a_process_that_commands_itself_needs_no_sqs(
        self, world: World, planes: Planes
    ) -> None:
        node = Node(planes(), f"own.{PIDBOX}")
        send(node.plane, command())
        assert node.heard() == ["command"]
        assert world.sqs.count("SendMessage") == 0

    def test_queues_on_sqs_are_told_to_the_caller(self, world: World, planes: Planes) -> None:
        world.bind(PIDBOX, f"durable.{PIDBOX}", kind="fanout")
        world.bind(PIDBOX, f"other.{PIDBOX}", kind="fanout")
        assert send(planes(), command("durable")) == [f"durable.{PIDBOX}"]

    def test_published_once_more_it_is_heard_once(self, world: World, nodes: list[Node]) -> None:
        """One of the others could not be reached: kombu publishes again."""
        plane, published = nodes[0].plane, message("command")
        for _ in range(2):
            world.sqs.faults.fail("SendMessage", FAULT)
            with pytest.raises(ServiceFaultError):
                send(plane, command(), published)
        send(plane, command(), published)
        send(plane, command())
        for node in nodes:
            assert node.has(2)
        assert [len(node.heard()) for node in nodes] == [2, 2, 2]

    def test_the_same_of_another_process_is_another_one(self, planes: Planes, world: World) -> None:
        """A client's clock begins at 1, also where SQS compares ids over all senders."""
        queue = world.new_queue()
        world.bind(PIDBOX, f"one.{PIDBOX}", kind="fanout", url=queue)
        for _ in range(2):
            send(planes(), command(method="pool_grow"))
        assert len(world.bodies(queue)) == 2

    def test_who_is_gone_is_no_error(self, world: World, planes: Planes) -> None:
        gone = world.new_queue("gone.fifo")
        world.bind(PIDBOX, f"gone.{PIDBOX}", kind="fanout", url=gone)
        world.sqs.delete_queue(gone)
        node = Node(planes(), f"one.{PIDBOX}")
        send(planes(), command())
        assert node.has(1)

    def test_one_that_failed_is_for_all_when_it_is_repeated(
        self, world: World, planes: Planes, nodes: list[Node]
    ) -> None:
        """Who has enabled events a moment ago need not be asked, but who has not must be."""
        client, enable = planes(), command(method="enable_events")
        world.sqs.faults.fail("SendMessage", FAULT, times=3)
        with pytest.raises(ServiceFaultError):
            send(client, enable)
        send(client, enable)
        for node in nodes:
            assert node.has(1)
        sent = world.sqs.count("SendMessage")
        send(client, enable)
        assert world.sqs.count("SendMessage") == sent

    def test_replies_are_asked_for_often_once_they_can_come(
        self, planes: Planes, nodes: list[Node]
    ) -> None:
        client = planes()
        reader = client.reply_reader("client", lambda _: None)
        now = client._clock.monotonic()
        assert reader._polling.pause_seconds(now) == IDLE_POLLING_SECONDS
        send(client, command("nobody", reply_to="client"))
        assert reader._polling.pause_seconds(now) == IDLE_POLLING_SECONDS
        send(client, command("one", reply_to="client"))
        assert reader._polling.pause_seconds(now) < 0.1
        assert nodes[0].has(1)

    def test_whoever_sent_what_cannot_be_read_may_wait_for_replies(
        self, planes: Planes, nodes: list[Node]
    ) -> None:
        client = planes()
        reader = client.reply_reader("client", lambda _: None)
        send(client, ControlCommand())
        assert reader._polling.pause_seconds(client._clock.monotonic()) < 0.1
        assert nodes[0].has(1)

    def test_threads_may_command_at_once(self, planes: Planes) -> None:
        node = Node(planes(), f"own.{PIDBOX}")
        expected = {str(number) for number in range(8)}
        failures: list[BaseException] = []

        def many(oid: str) -> None:
            try:
                for number in range(50):
                    method = ("enable_events", "disable_events", "ping")[number % 3]
                    reply_to = oid if method == "ping" else None
                    send(node.plane, command(method=method, reply_to=reply_to))
            except BaseException as error:
                failures.append(error)
                raise

        threads = [threading.Thread(target=many, args=(oid,)) for oid in expected]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert failures == []
        assert all(node.plane._expected.since(oid) is not None for oid in expected)


class TestEvents:
    def test_they_reach_who_monitors(self, planes: Planes) -> None:
        monitor = Node(planes(), "flower", EVENTS, "topic")
        other = Node(planes(), "events", EVENTS, "topic")
        worker = planes()
        worker.publish_event(event())
        for node in (monitor, other):
            assert node.has(1)

    def test_they_are_sent_as_they_were_published(self, world: World, planes: Planes) -> None:
        """The channel goes on with the message if a queue on SQS is bound as well."""
        monitor = Node(planes(), "flower", EVENTS, "topic")
        world.bind(EVENTS, "durable")
        body = json.dumps({"type": "task-received", "args": '"' * 50})
        published = event(body)
        worker = planes()
        with worker.events._changed:
            worker.publish_event(published)
            changed: Any = published.message
            changed["body"] = "encoded"
            changed["properties"]["body_encoding"] = "base64"
            changed["properties"]["delivery_info"]["exchange"] = "changed"
        assert monitor.has(1)
        sent = monitor.sink.messages[0]
        assert json.loads(body_of(sent)) == json.loads(body)
        assert sent["properties"]["delivery_info"]["exchange"] == EVENTS
        assert [each.queue for each in worker.shared_bindings(EVENTS)] == ["durable"]

    def test_with_nobody_bound_they_cost_one_query(self, world: World, planes: Planes) -> None:
        worker = Node(planes(), f"one.{PIDBOX}").plane
        worker.publish_event(event())
        assert worker.events.flush(PATIENCE_SECONDS)
        eventually(lambda: worker.nobody_is_bound(EVENTS))
        world.tables.requests.clear()
        world.sqs.calls.clear()
        for _ in range(100):
            worker.publish_event(event())
        world.clock.advance(15)
        worker.publish_event(event())
        assert not worker.events._buffer
        assert world.tables.requests == {}

    def test_a_monitor_is_heard_of_at_once(self, planes: Planes) -> None:
        worker = Node(planes(), f"one.{PIDBOX}").plane
        worker.publish_event(event("nobody's"))
        assert worker.events.flush(PATIENCE_SECONDS)
        monitor = Node(planes(), "flower", EVENTS, "topic")
        eventually(lambda: not worker.nobody_is_bound(EVENTS))
        worker.publish_event(event("heard"))
        assert worker.events.flush(PATIENCE_SECONDS)
        assert monitor.has(1)
        assert monitor.heard() == ["heard"]

    def test_a_monitor_whose_notice_was_lost_is_heard_of_later(
        self, world: World, planes: Planes, caplog: pytest.LogCaptureFixture
    ) -> None:
        worker = Node(planes(), f"one.{PIDBOX}").plane
        worker.publish_event(event("nobody's"))
        assert worker.events.flush(PATIENCE_SECONDS)
        world.sqs.faults.fail("SendMessage", FAULT)
        monitor = Node(planes(), "flower", EVENTS, "topic")
        assert "learns late of bindings" in caplog.text
        assert worker.nobody_is_bound(EVENTS)
        world.clock.advance(NOBODY_SECONDS)
        worker.publish_event(event("heard"))
        assert monitor.has(1)

    def test_own_queues_are_known_at_once(self, world: World, planes: Planes) -> None:
        node = Node(planes(), "own", EVENTS, "topic")
        node.plane.publish_event(event())
        assert node.has(1)
        assert world.sqs.count("SendMessage") == 0


class TestBindings:
    def test_own_queues_come_first_and_once(self, planes: Planes) -> None:
        other = Node(planes(), "other", EVENTS, "topic")
        own = Node(planes(), "own", EVENTS, "topic")
        assert [each.token for each in own.plane.bindings(EVENTS)] == [
            own.queue.token,
            other.queue.token,
        ]

    def test_own_queues_are_told_from_what_an_earlier_inbox_has_left(
        self, world: World, planes: Planes
    ) -> None:
        own = Node(planes(), "own", EVENTS, "topic")
        (written,) = world.bindings.all()
        world.bindings.put(type(written)(**{**vars(written), "inbox": InboxId("earlier")}))
        bound = own.plane.bindings(EVENTS)
        assert [each.inbox for each in bound] == [own.plane.keeper.inbox]
        own.plane.send(bound, message())
        assert own.heard() == ["{}"]

    def test_a_queue_on_sqs_is_bound_once_and_everybody_is_told(
        self, world: World, planes: Planes
    ) -> None:
        listener = Node(planes(), f"one.{PIDBOX}").plane
        assert listener.bindings("orders") == []
        client, bound = planes(), binding("orders", "mails")
        client.bind_shared(bound)
        eventually(lambda: listener.bindings("orders") == [bound])
        world.tables.requests.clear()
        client.bind_shared(bound)
        assert world.tables.requests["PutItem"] == 0
        assert client.all_bindings().count(bound) == 1

    def test_unbound_it_is_nobodys(self, planes: Planes, world: World) -> None:
        node = Node(planes(), "own", "orders", "topic")
        for name in ("mails", "bills"):
            world.bind("orders", name)
        node.plane.unbind_shared(lambda each: each.queue in ("mails", "own"))
        assert {each.queue for each in node.plane.bindings("orders")} == {"own", "bills"}

    def test_of_control_commands_nobody_is_told(self, world: World, planes: Planes) -> None:
        Node(planes(), f"one.{PIDBOX}")
        planes().notices.send([PIDBOX, ""])
        assert world.sqs.count("SendMessage") == 0
        assert world.tables.requests["Query"] == 0

    def test_inboxes_that_are_being_made_are_not_told(self, world: World, planes: Planes) -> None:
        world.inboxes.put(
            InboxRecord(
                inbox=InboxId("new"),
                url=QueueUrl(""),
                owner="host",
                version="1",
                duration_seconds=600,
            )
        )
        planes().notices.send([EVENTS])
        assert world.sqs.calls == []

    def test_what_nobody_can_be_told_is_only_said(
        self, world: World, planes: Planes, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.tables.fail_next("Query", FAULT)
        planes().notices.send([EVENTS])
        assert "learn late" in caplog.text


class TestByName:
    def test_a_queue_of_this_process_needs_no_sqs(self, world: World, planes: Planes) -> None:
        plane = planes()
        queue = plane.queues.declare(AmqpQueue("own"), QueueTraits())
        sent = message()
        assert plane.send_to_queue(queue.name, sent)
        taken = queue.take()
        assert taken == sent
        assert taken is not sent
        assert (world.sqs.calls, world.tables.requests) == ([], {})

    def test_one_of_another_process_is_found(self, planes: Planes) -> None:
        node = Node(planes(), "client", "", "direct")
        sender = planes()
        assert not sender.is_elsewhere(AmqpQueue("client"))
        assert sender.send_to_queue(AmqpQueue("client"), message("result"))
        assert node.has(1)
        assert sender.is_elsewhere(AmqpQueue("client"))

    def test_one_of_nobody_is_told(self, planes: Planes) -> None:
        assert not planes().send_to_queue(AmqpQueue("nobody"), message())


class TestLife:
    def test_constructed_it_costs_nothing(self, world: World, planes: Planes) -> None:
        plane = planes()
        plane.flush(PATIENCE_SECONDS)
        assert (world.sqs.calls, world.tables.requests) == ([], {})
        assert not plane.keeper.alive

    def test_an_expired_queue_is_dropped(self, world: World, planes: Planes) -> None:
        node = Node(planes(), "events", EVENTS, "topic", expires_seconds=60)
        node.queue.remove_consumer(node.sink)
        world.clock.advance(60)
        node.plane.keeper.wake()
        eventually(lambda: world.bindings.all() == [], world.clock)
        assert node.plane.queues.find(node.queue.name) is None

    def test_an_idle_inbox_is_removed_and_what_was_told_is_believed_no_more(
        self, world: World, planes: Planes
    ) -> None:
        node = Node(planes(), "own", "orders", "topic")
        node.plane.drop(node.queue)
        eventually(lambda: world.bindings.all() == [])
        node.plane.bindings(EVENTS)
        assert node.plane.nobody_is_bound(EVENTS)
        world.clock.advance(IDLE_SECONDS)
        eventually(lambda: world.queue_urls() == set(), world.clock)
        assert not node.plane.nobody_is_bound(EVENTS)

    def test_one_whose_queue_is_gone_hears_again(self, world: World, planes: Planes) -> None:
        node = Node(planes(), f"one.{PIDBOX}")
        (url,) = world.queue_urls()
        world.clock.advance(NEW_QUEUE_SECONDS)
        world.sqs.delete_queue(url)
        eventually(lambda: node.plane.keeper.hears and url not in world.queue_urls())
        eventually(lambda: world.bindings.all() and world.bindings.all()[0].inbox_url != url)
        send(planes(), command())
        assert node.has(1)

    def test_a_worker_runs_on_if_sqs_makes_no_queue(self, world: World, planes: Planes) -> None:
        world.sqs.faults.fail("CreateQueue", FAULT)
        plane = planes()
        with pytest.raises(ServiceFaultError):
            Node(plane, f"one.{PIDBOX}")
        assert not plane.keeper.hears
        world.clock.advance(60)
        eventually(lambda: plane.keeper.hears, world.clock)

    def test_closed_it_leaves_nothing(self, world: World, planes: Planes) -> None:
        monitor = Node(planes(), "flower", EVENTS, "topic")
        node = Node(planes(), f"one.{PIDBOX}")
        node.plane.publish_event(event("first"))
        assert monitor.has(1)
        node.plane.publish_event(event("last"))
        node.plane.replies.put("client", message("reply"))
        node.plane.close()
        node.plane.close()
        assert monitor.has(2)
        assert len(world.mailboxes.read("client")) == 1
        assert {each.inbox for each in world.inboxes.all()} == {monitor.plane.keeper.inbox}
        assert len(world.queue_urls()) == len(world.bindings.all()) == 1
        for thread in (node.plane.keeper, node.plane.events, node.plane.replies):
            assert not thread.alive

    def test_what_is_asked_of_one_that_is_closed_is_refused_or_dropped(
        self, planes: Planes
    ) -> None:
        node = Node(planes(), f"one.{PIDBOX}")
        node.plane.close()
        with pytest.raises(Exception, match="the process is ending"):
            Node(node.plane, f"two.{PIDBOX}")
        node.plane.publish_event(event())
        node.plane.replies.put("client", message())
        node.plane.drop(node.queue)
        node.plane.flush(PATIENCE_SECONDS)


class TestExit:
    @pytest.fixture
    def registered(self, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
        found: list[Callable[[], None]] = []
        monkeypatch.setattr(atexit, "register", found.append)
        return found

    def test_the_process_that_has_it_closes_it(
        self, world: World, planes: Planes, registered: list[Callable[[], None]]
    ) -> None:
        Node(planes(), f"one.{PIDBOX}")
        (close,) = registered
        close()
        assert (world.queue_urls(), world.inboxes.all()) == (set(), [])

    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_forked_child_does_not(
        self, world: World, planes: Planes, registered: list[Callable[[], None]]
    ) -> None:
        """Its copies of the locks may be held for ever, and the inbox is its parent's."""
        node = Node(planes(), f"one.{PIDBOX}")
        requests = len(world.sqs.calls)
        # As at the moment when another thread holds it.
        with node.plane.keeper._changed, node.plane.events._changed:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    signal.alarm(int(PATIENCE_SECONDS))
                    registered[0]()
                    status = 0 if len(world.sqs.calls) == requests else 2
                finally:
                    os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(world.inboxes.all()) == 1
