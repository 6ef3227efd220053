"""Control commands from a client's connection to workers', on SQS and DynamoDB in memory."""

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from celery import Celery
from kombu import Connection, pools
from kombu.pidbox import Mailbox

from celery_aws.errors import AccessDeniedError, UnreachableError, UnsupportedError
from tests.unit.broker.conftest import PATIENCE_SECONDS, URL, Connect
from tests.unit.broker.processes import INBOX, Processes


class Node:
    """What of a worker hears commands; it does so when it is asked, or in a thread."""

    def __init__(self, name: str, connection: Connection, mailbox: Mailbox) -> None:
        self.connection = connection
        self.heard: list[dict[str, Any]] = []
        channel = connection.channel()
        self._node = mailbox(connection).Node(name, channel=channel, handlers={"ping": _pong})
        self._node.listen(callback=self._hear)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"test-{name}")

    def start(self) -> None:
        self._thread.start()

    def methods(self, count: int = 1) -> list[str]:
        """Return what it was told to do, at least so many commands."""
        while len(self.heard) < count:
            self.connection.drain_events(timeout=PATIENCE_SECONDS)
        return [each["method"] for each in self.heard]

    def close(self) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_SECONDS)

    def _hear(self, body: dict[str, Any], message: Any) -> None:
        self.heard.append(body)
        if body["method"] == "ping":
            self._node.handle_message(body, message)

    def _run(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                self.connection.drain_events(timeout=0.05)


def _pong(_: Any) -> dict[str, str]:
    return {"ok": "pong"}


class Office:
    """Nodes and a client, each in a process of its own."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.tables, self.sqs = processes.tables, processes.sqs
        self._nodes: list[Node] = []
        self._apps: list[Celery] = []
        self.app = self.client()

    def client(self) -> Celery:
        """Return the app of a client process."""
        connection = self.processes()
        # There is a table as soon as something was parked.
        connection.transport.coordination.table.ensure()
        # Each with a URL of its own: kombu has one pool for each.
        url = URL.replace("AKIAKEY", f"AKIAKEY{len(self._apps)}")
        app = Celery("client", broker=url, set_as_current=False)
        app.conf.broker_transport_options = connection.transport_options
        app.conf.broker_pool_limit = 2
        with app.pool.acquire() as one, app.pool.acquire() as another:
            self.processes.adopt(one)
            self.processes.adopt(another)
        self._apps.append(app)
        return app

    def node(self, name: str, **mailbox: Any) -> Node:
        """Return a node in a process of its own."""
        options = {"type": "fanout", "queue_expires": 10.0, **mailbox}
        node = Node(name, self.processes(), Mailbox("celery", **options))
        self._nodes.append(node)
        return node

    def remembered(self) -> set[str]:
        keys = [str(item["pk"]["S"]) for item in self.processes.items("revoked#")]
        return {key.removeprefix("revoked#") for key in keys}

    def sent(self) -> int:
        """Return how many messages were sent to inboxes."""
        sends = [call for call in self.sqs.calls if call.operation == "SendMessage"]
        return sum(INBOX in call.resource for call in sends)

    def close(self) -> None:
        for node in self._nodes:
            node.close()
        for app in self._apps:
            app.close()
        # They belong to the process, and what they are connected to to this test.
        pools.reset()


@pytest.fixture
def office(processes: Processes) -> Iterator[Office]:
    made = Office(processes)
    yield made
    made.close()


class TestRevokes:
    @pytest.mark.parametrize(
        ("revoke", "task_ids"),
        [
            (lambda app: app.control.revoke("1"), {"1"}),
            (lambda app: app.control.revoke(["1", "2"], terminate=True), {"1", "2"}),
            (lambda app: app.AsyncResult("1").revoke(), {"1"}),
            (lambda app: app.control.terminate("1"), {"1"}),
        ],
    )
    def test_a_revoke_is_remembered_and_heard(
        self, office: Office, revoke: Callable[[Celery], Any], task_ids: set[str]
    ) -> None:
        nodes = [office.node("one@host"), office.node("two@host")]

        revoke(office.app)

        assert office.remembered() == task_ids
        assert [node.methods() for node in nodes] == [["revoke"], ["revoke"]]

    def test_without_a_worker_it_is_only_remembered(self, office: Office) -> None:
        office.app.control.revoke("1")

        assert office.remembered() == {"1"}
        assert office.sqs.count("SendMessage") == 0

    def test_it_may_have_answers(self, office: Office) -> None:
        node = office.node("one@host")
        node.start()

        office.app.control.revoke("1", reply=True, timeout=0.2)

        assert node.methods() == ["revoke"]
        assert office.remembered() == {"1"}

    def test_stamped_headers_are_only_heard(self, office: Office) -> None:
        node = office.node("one@host")

        office.app.control.revoke_by_stamped_headers({"order": ["7"]})

        assert node.methods() == ["revoke_by_stamped_headers"]
        assert office.remembered() == set()

    def test_one_that_cannot_be_remembered_is_an_error_and_not_heard(self, office: Office) -> None:
        office.node("one@host")
        office.tables.fail_next("PutItem", AccessDeniedError("not yours"))

        with pytest.raises(AccessDeniedError, match="not yours"):
            office.app.control.revoke("1")

        assert office.sent() == 0

    def test_one_that_did_not_reach_dynamodb_is_tried_again(self, office: Office) -> None:
        office.tables.fail_next("PutItem", UnreachableError("no route"))

        office.app.control.revoke("1")

        assert office.remembered() == {"1"}


class TestCommands:
    def test_a_command_is_one_message_for_each_process(self, office: Office) -> None:
        nodes = [office.node(f"{name}@host") for name in ("one", "two", "three")]

        office.app.control.rate_limit("shop.mail", "1/s")

        assert [node.methods() for node in nodes] == [["rate_limit"]] * 3
        assert office.sent() == 3

    def test_those_of_a_destination_alone_are_sent_it(self, office: Office) -> None:
        one, _ = office.node("one@host"), office.node("two@host")

        office.app.control.shutdown(destination=["one@host"])

        assert one.methods() == ["shutdown"]
        assert office.sent() == 1

    def test_they_come_in_their_order(self, office: Office) -> None:
        node = office.node("one@host")
        methods = ["pool_grow", "pool_shrink"] * 15

        for method in methods:
            office.app.control.broadcast(method, arguments={"n": 1})

        assert node.methods(len(methods)) == methods

    def test_a_worker_that_starts_later_hears_nothing_of_it(self, office: Office) -> None:
        before = office.node("one@host")
        office.app.control.shutdown()
        after = office.node("one@host")

        office.app.control.rate_limit("shop.mail", "1/s")

        assert before.methods(2) == ["shutdown", "rate_limit"]
        assert after.methods() == ["rate_limit"]

    def test_a_worker_that_starts_again_in_its_process_hears_nothing_of_it(
        self, office: Office
    ) -> None:
        """As ``celery multi`` does not, but a test or a supervisor of threads may."""
        first = office.node("one@host")
        office.app.control.shutdown()
        first.methods()
        first.connection.close()
        mailbox = Mailbox("celery", type="fanout", queue_expires=10.0)

        again = Node("one@host", office.processes.again(), mailbox)
        office.app.control.rate_limit("shop.mail", "1/s")

        assert again.methods() == ["rate_limit"]

    def test_one_for_nobody_costs_no_message(self, office: Office) -> None:
        office.app.control.shutdown()

        assert office.sqs.count("SendMessage") == 0

    def test_a_second_try_is_heard_once(self, office: Office) -> None:
        """kombu publishes anew if one of two workers could not be reached."""
        nodes = [office.node("one@host"), office.node("two@host")]
        # Last, because kombu connects anew.
        client = office.client()
        office.sqs.faults.lose_reply("SendMessage")

        client.control.pool_grow(1)
        client.control.pool_shrink(1)

        assert [node.methods(2) for node in nodes] == [["pool_grow", "pool_shrink"]] * 2

    def test_a_refusal_is_an_error(self, office: Office) -> None:
        office.node("one@host")
        office.sqs.faults.fail("SendMessage", AccessDeniedError("not yours"))

        with pytest.raises(AccessDeniedError, match="not yours"):
            office.app.control.shutdown()

    def test_what_cannot_be_asked_of_others_stops_no_worker(
        self, office: Office, caplog: pytest.LogCaptureFixture
    ) -> None:
        """At its start a worker asks others what was revoked."""
        office.tables.fail_next("Query", AccessDeniedError("not yours"))

        assert office.app.control.inspect(timeout=0.2).hello("one@host") is None
        assert "other workers cannot be asked what was revoked: not yours" in caplog.text

    @pytest.mark.skipif(
        "queue_durable" not in inspect.signature(Mailbox).parameters,
        reason="this kombu knows no durable ones",
    )
    def test_a_worker_whose_queue_is_durable_hears_them_too(self, office: Office) -> None:
        durable = {"queue_exclusive": False, "queue_durable": True, "queue_expires": None}
        node = office.node("one@host", **durable)

        office.app.control.shutdown()

        assert node.methods() == ["shutdown"]
        assert office.processes.created() == ["one_host-celery-pidbox"]


class TestReplies:
    def test_every_node_answers(self, office: Office) -> None:
        for name in ("one@host", "two@host"):
            office.node(name).start()

        answers = office.app.control.ping(timeout=1.0, limit=2)

        assert sorted(answers, key=str) == [
            {"one@host": {"ok": "pong"}},
            {"two@host": {"ok": "pong"}},
        ]

    def test_what_was_read_is_removed(self, office: Office) -> None:
        office.node("one@host").start()

        for _ in range(2):
            assert office.app.control.ping(timeout=5.0, limit=1) == [{"one@host": {"ok": "pong"}}]

        assert office.processes.items("reply#") == []

    def test_they_cost_no_queue(self, office: Office) -> None:
        office.node("one@host").start()

        office.app.control.ping(timeout=5.0, limit=1)

        assert office.processes.created() == []
        assert office.processes.inboxes() == 1  # the node's

    def test_nobody_answers_where_nobody_is(self, office: Office) -> None:
        assert office.app.control.ping(timeout=0.1) == []

    def test_each_client_gets_its_own(self, office: Office) -> None:
        office.node("one@host").start()
        other = office.client()

        for app in (office.app, other, office.app):
            assert len(app.control.ping(timeout=5.0, limit=1)) == 1


def test_without_a_table_commands_are_refused(connect: Connect) -> None:
    app = Celery("client", broker=URL, set_as_current=False)
    app.conf.broker_transport_options = connect().transport_options

    for command in (lambda: app.control.revoke("1"), app.control.ping):
        with pytest.raises(UnsupportedError, match=r"is a fanout.*need the coordination table"):
            command()
    app.close()
    pools.reset()
