"""Exchanges and durable queues: what one process binds, every other one publishes to."""

from collections import Counter
from typing import Any

import pytest
from amqp.exceptions import NotFound
from kombu import Connection, Consumer, Exchange, Queue
from kombu.common import Broadcast

from celery_aws.broker import exchanges
from celery_aws.errors import AccessDeniedError, AwsError, UnreachableError, UnsupportedError
from celery_aws.names import QueueName
from tests.unit.broker.conftest import PATIENCE_SECONDS, Client, Connect
from tests.unit.broker.processes import Processes, eventually

NEWS = Exchange("news", type="fanout")
TALK = Exchange("talk", type="topic")
POST = Exchange("post", type="direct")


def declare(connection: Connection, *queues: Queue) -> None:
    for queue in queues:
        queue(connection.default_channel).declare()


def publish(connection: Connection, exchange: Exchange, key: str = "", body: Any = "task") -> None:
    connection.Producer().publish(body, exchange=exchange, routing_key=key, declare=[exchange])


def kept(processes: Processes, *names: str) -> list[int]:
    return [len(processes.sqs.messages(QueueName(name))) for name in names]


@pytest.fixture
def ours(processes: Processes) -> Connection:
    exchanges._said.forget()
    return processes()


@pytest.fixture
def theirs(ours: Connection, processes: Processes) -> Connection:
    return processes()


class TestBindings:
    def test_a_fanout_reaches_every_queue(
        self, ours: Connection, theirs: Connection, processes: Processes
    ) -> None:
        declare(ours, Queue("one", NEWS), Queue("two", NEWS, routing_key="any"))

        publish(theirs, NEWS, "whatever")

        assert kept(processes, "one", "two") == [1, 1]

    def test_a_topic_reaches_those_whose_key_matches(
        self, ours: Connection, theirs: Connection, processes: Processes
    ) -> None:
        keys = {"all": "#", "orders": "order.*", "users": "user.#", "deep": "order.#.paid"}
        declare(ours, *(Queue(name, TALK, routing_key=key) for name, key in keys.items()))

        publish(theirs, TALK, "order.paid")

        assert kept(processes, *keys) == [1, 1, 0, 1]

    def test_a_direct_one_reaches_those_of_the_key(
        self, ours: Connection, theirs: Connection, processes: Processes
    ) -> None:
        keys = {"one": "box", "two": "box", "three": "bin"}
        declare(ours, *(Queue(name, POST, routing_key=key) for name, key in keys.items()))

        publish(theirs, POST, "box")

        assert kept(processes, *keys) == [1, 1, 0]

    def test_a_queue_that_is_bound_twice_gets_one_message(
        self, ours: Connection, theirs: Connection, processes: Processes
    ) -> None:
        for key in ("#", "order.*"):
            declare(ours, Queue("orders", TALK, routing_key=key))

        publish(theirs, TALK, "order.new")
        publish(ours, TALK, "order.new")

        assert kept(processes, "orders") == [2]

    def test_what_celery_binds_by_itself_costs_nothing(
        self, ours: Connection, theirs: Connection, processes: Processes
    ) -> None:
        declare(ours, Queue("celery", Exchange("celery"), routing_key="celery"))
        publish(ours, Exchange(""), "celery")
        assert not processes.tables.requests

        # And somebody else may publish to its exchange.
        publish(theirs, Exchange("celery"), "celery")
        assert processes.tables.requests == {"Query": 1}
        assert kept(processes, "celery") == [2]

    def test_a_binding_that_is_known_is_not_written_again(
        self, ours: Connection, processes: Processes
    ) -> None:
        declare(ours, Queue("one", NEWS))
        before = Counter(processes.tables.requests)

        for _ in range(3):
            declare(processes.again(), Queue("one", NEWS))

        assert processes.tables.requests - before == {"Query": 1}

    def test_one_that_is_undone_counts_for_nobody(
        self, ours: Connection, theirs: Connection, processes: Processes
    ) -> None:
        declare(ours, Queue("one", TALK, routing_key="a"), Queue("one", TALK, routing_key="b"))

        theirs.default_channel.queue_unbind("one", "talk", "a")
        ours.default_channel.queue_unbind("one", "talk", "a")
        publish(processes(), TALK, "a")
        publish(ours, TALK, "a")
        publish(ours, TALK, "b")

        assert kept(processes, "one") == [1]

    def test_they_go_with_their_queue(self, ours: Connection, processes: Processes) -> None:
        declare(ours, Queue("one", NEWS), Queue("two", NEWS))

        ours.default_channel.queue_delete("one")
        publish(ours, NEWS)
        publish(processes(), NEWS)

        assert kept(processes, "one", "two") == [0, 2]

    def test_they_are_listed(
        self, ours: Connection, theirs: Connection, processes: Processes
    ) -> None:
        declare(ours, Queue("celery", Exchange("celery"), routing_key="celery"))
        declare(ours, Queue("one", TALK, routing_key="a.*"), Queue("paper", NEWS, exclusive=True))

        found = list(theirs.default_channel.list_bindings())

        assert sorted(found) == [("one", "talk", "a.*"), ("paper", "news", "")]
        # The unwritten ones are those of whoever asks.
        assert ("celery", "celery", "celery") in ours.default_channel.list_bindings()

    def test_a_large_deployments_are_all_of_them(
        self, ours: Connection, theirs: Connection, processes: Processes
    ) -> None:
        names = [f"queue-{number}" for number in range(120)]
        declare(ours, *(Queue(name, NEWS) for name in names))

        publish(theirs, NEWS)

        assert kept(processes, *names) == [1] * 120


class TestExchanges:
    def test_one_is_what_it_was_declared_last(self, ours: Connection, processes: Processes) -> None:
        declare(ours, Queue("one", POST, routing_key="a"))
        channel = ours.default_channel
        channel.exchange_declare("post", "topic")
        channel.queue_bind("one", "post", "b.*")

        publish(ours, Exchange("post", type="topic"), "b.1")

        assert kept(processes, "one") == [1]
        assert channel.exchange_declare("post", passive=True) is None

    def test_a_deleted_one_leads_nowhere(
        self, ours: Connection, theirs: Connection, processes: Processes
    ) -> None:
        declare(ours, Queue("one", NEWS), Queue("two", TALK, routing_key="#"))

        theirs.default_channel.exchange_delete("news")
        publish(processes(), NEWS)
        publish(processes.again(), TALK, "any")

        assert kept(processes, "one", "two") == [0, 1]

    def test_one_that_nobody_knows_leads_nowhere(
        self, theirs: Connection, processes: Processes
    ) -> None:
        publish(theirs, Exchange("unknown"), "key")

        assert processes.created() == []


class TestAutoDelete:
    def test_a_broadcast_queue_is_no_sqs_queue(
        self, ours: Connection, processes: Processes
    ) -> None:
        messages: list[Any] = []
        consumer = Consumer(ours, [Broadcast("everybody")], on_message=messages.append)
        consumer.consume()

        publish(processes(), Exchange("everybody", type="fanout"))
        ours.drain_events(timeout=PATIENCE_SECONDS)

        assert [message.payload for message in messages] == ["task"]
        assert processes.created() == []

    @pytest.mark.parametrize("exchange", [POST, TALK, None])
    def test_another_one_is_on_sqs_and_loses_nothing_with_a_process(
        self, ours: Connection, theirs: Connection, processes: Processes, exchange: Exchange | None
    ) -> None:
        queue = Queue("tasks", exchange, routing_key="tasks", auto_delete=True)
        declare(ours, queue)
        target = exchange or Exchange("")
        publish(theirs, target, "tasks")
        assert ours.default_channel.queue_declare("tasks", passive=True).message_count == 1

        processes.end(ours)

        assert kept(processes, "tasks") == [1]
        assert processes.created() == ["tasks"]

    def test_one_that_is_bound_to_nothing_is_on_sqs_as_soon_as_that_matters(
        self, ours: Connection, processes: Processes
    ) -> None:
        channel = ours.default_channel
        channel.queue_declare("tasks", auto_delete=True)
        assert processes.created() == []

        assert channel.queue_declare("tasks", passive=True).message_count == 0
        assert processes.created() == ["tasks"]

    def test_one_that_is_deleted_is_not_made_by_a_binding(
        self, ours: Connection, processes: Processes
    ) -> None:
        channel = ours.default_channel
        channel.queue_declare("paper", auto_delete=True)

        channel.queue_delete("paper")
        channel.exchange_declare("news", "fanout")
        with pytest.raises(NotFound):
            channel.queue_declare("paper", passive=True)
        assert processes.created() == []

    def test_one_with_priorities_has_them(self, ours: Connection, processes: Processes) -> None:
        declare(ours, Queue("tasks", POST, auto_delete=True, max_priority=9))

        assert len(processes.created()) == 4

    def test_one_that_was_on_sqs_stays_there(self, ours: Connection, processes: Processes) -> None:
        """Declared by a worker with it, and consumed: then bound to a fanout too."""
        declare(ours, Queue("tasks", POST, routing_key="tasks", auto_delete=True))
        declare(ours, Queue("tasks", NEWS, auto_delete=True))

        publish(ours, NEWS)
        publish(ours, POST, "tasks")

        assert kept(processes, "tasks") == [2]


class TestRefusalsAndOutages:
    @pytest.mark.parametrize(
        "error", [AccessDeniedError("not yours"), UnreachableError("no route")]
    )
    @pytest.mark.parametrize("exchange", [POST, TALK])
    def test_tasks_go_to_a_queue_that_this_connection_bound(
        self,
        ours: Connection,
        processes: Processes,
        caplog: pytest.LogCaptureFixture,
        exchange: Exchange,
        error: AwsError,
    ) -> None:
        for operation in ("Query", "PutItem"):
            for _ in range(20):
                processes.tables.fail_next(operation, error)

        declare(ours, Queue("tasks", exchange, routing_key="key"))
        for _ in range(3):
            publish(ours, exchange, "key")

        assert kept(processes, "tasks") == [3]
        assert caplog.text.count("only what this connection has bound counts") == 1
        remedy = "Grant dynamodb:Query and dynamodb:PutItem"
        assert (remedy in caplog.text) is isinstance(error, AccessDeniedError)

    def test_tasks_to_somebody_elses_are_an_error(
        self, ours: Connection, theirs: Connection, processes: Processes
    ) -> None:
        declare(ours, Queue("tasks", POST, routing_key="key"))
        processes.tables.fail_next("Query", AccessDeniedError("not yours"))

        with pytest.raises(AccessDeniedError, match="not yours"):
            publish(theirs, POST, "key")

        assert kept(processes, "tasks") == [0]

    def test_a_fanout_that_cannot_be_bound_is_an_error(
        self, ours: Connection, processes: Processes
    ) -> None:
        processes.tables.fail_next("PutItem", AccessDeniedError("not yours"))

        with pytest.raises(AccessDeniedError, match="not yours"):
            declare(ours, Queue("one", NEWS))

    def test_celerys_own_queues_need_no_table(self, ours: Connection, processes: Processes) -> None:
        for operation in ("Query", "PutItem"):
            processes.tables.fail_next(operation, AccessDeniedError("not yours"))

        declare(ours, Queue("celery", Exchange("celery"), routing_key="celery"))
        publish(ours, Exchange("celery"), "celery")
        publish(ours, Exchange(""), "celery")

        assert kept(processes, "celery") == [2]

    def test_a_deleted_queue_may_leave_its_bindings(
        self, ours: Connection, processes: Processes, caplog: pytest.LogCaptureFixture
    ) -> None:
        declare(ours, Queue("one", NEWS))
        processes.tables.fail_next("Query", UnreachableError("no route"))

        ours.default_channel.queue_delete("one")

        assert "bindings of the deleted queue one may be left: no route" in caplog.text

    def test_a_transient_queue_is_bound_when_it_can_be(
        self, ours: Connection, processes: Processes
    ) -> None:
        processes.sqs.faults.fail("CreateQueue", AccessDeniedError("not yours"))
        queue = Queue("paper", NEWS, exclusive=True)

        with pytest.raises(AccessDeniedError, match="sqs:CreateQueue"):
            declare(ours, queue)

        assert eventually(lambda: len(processes.items("binding")) == 1)

    def test_a_workers_remote_control_waits_for_its_rights(
        self, ours: Connection, processes: Processes, caplog: pytest.LogCaptureFixture
    ) -> None:
        processes.sqs.faults.fail("CreateQueue", AccessDeniedError("not yours"))
        pidbox = Exchange("celery.pidbox", type="fanout")

        declare(ours, Queue("one@host.celery.pidbox", pidbox, exclusive=True))

        assert "no remote control yet, tasks are worked on: not yours" in caplog.text
        assert eventually(lambda: len(processes.items("binding")) == 1)


class TestWithoutTable:
    """Option coordination_table False: direct and topic exchanges, of each connection its own."""

    def test_its_exchanges_are_its_own(self, client: Client, connect: Connect) -> None:
        declare(client.connection, Queue("one", TALK, routing_key="a.*"))

        publish(client.connection, TALK, "a.1")
        publish(connect(), TALK, "a.1")

        assert client.kept(QueueName("one")) == 1
        assert list(client.channel.list_bindings()) == [("one", "talk", "a.*")]
        client.channel.exchange_delete("talk")
        assert list(client.channel.list_bindings()) == []

    def test_celery_sees_that_there_is_no_remote_control(self, client: Client) -> None:
        """celery/worker/consumer/control.py ``include_if``."""
        assert not client.connection.supports_exchange_type("fanout")
        assert client.connection.supports_exchange_type("topic")

    @pytest.mark.parametrize(
        ("queue", "why"),
        [
            (Queue("one", NEWS), "'news' is a fanout"),
            (Queue("one", POST, expires=10.0, auto_delete=True), "'one' expires"),
        ],
    )
    def test_what_needs_it_is_refused(self, client: Client, queue: Queue, why: str) -> None:
        with pytest.raises(UnsupportedError, match=f"{why}.*need the coordination table"):
            declare(client.connection, queue)

    def test_publishing_to_a_fanout_is_refused(self, client: Client) -> None:
        client.channel.state.exchanges["news"] = {"type": "fanout", "table": []}

        with pytest.raises(UnsupportedError, match="'news' is a fanout"):
            client.publish(exchange="news")

    def test_a_queue_for_one_connection_is_on_sqs(self, client: Client) -> None:
        declare(client.connection, Queue("one", POST, exclusive=True))

        publish(client.connection, POST, "")

        assert client.kept(QueueName("one")) == 1
