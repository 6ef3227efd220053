"""Control commands on their way out: what a worker's start must survive, and what is sent twice."""

import logging
import os
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest
from celery import Celery
from kombu import pools

from celery_aws.broker import control_commands
from celery_aws.errors import AccessDeniedError, UnreachableError
from celery_aws.names import QueueName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import PATIENCE_SECONDS, URL, Connect
from tests.unit.broker.listening import Listener


@pytest.fixture(autouse=True)
def new_pools() -> Iterator[None]:
    # kombu's pools share connections, and so doubles, between tests.
    pools.reset()
    yield
    pools.reset()


def new_app() -> Celery:
    """Return an app whose producers are on the doubles."""
    return Celery(
        broker=URL,
        set_as_current=False,
        config_source={
            "broker_transport_options": {
                "region": "eu-west-1",
                "coordination_table": "coordination",
            }
        },
    )


@pytest.fixture
def listener(sqs: MemorySqs, tables: MemoryTableService, clock: FakeClock) -> Listener:
    made = Listener(sqs, tables, clock)
    made.bind("w2@there.celery.pidbox", "celery.pidbox", "fanout")
    return made


@pytest.mark.usefixtures("connect", "listener")
def test_a_worker_that_knows_too_many_revokes_starts(caplog: pytest.LogCaptureFixture) -> None:
    """Its first question, celery's mingle, tells all of them: up to 50,000."""
    app = new_app()
    revoked = [str(uuid4()) for _ in range(50_000)]

    with caplog.at_level(logging.WARNING):
        replies = app.control.inspect(timeout=0.01).hello("w1@here", revoked)

    assert replies is None
    assert "other workers cannot be asked" in caplog.text


@pytest.mark.usefixtures("connect")
def test_a_worker_starts_although_the_table_does_not_answer(
    tables: MemoryTableService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a way to DynamoDB, each request is half a minute."""
    answer = threading.Event()

    def query(*_: object, **__: object) -> None:
        answer.wait(PATIENCE_SECONDS)
        raise UnreachableError("no route")

    monkeypatch.setattr(tables, "query", query)
    monkeypatch.setattr(control_commands, "HELLO_WAIT_SECONDS", 0.01)

    with caplog.at_level(logging.WARNING):
        new_app().control.broadcast("hello", {"from_node": "w1@here", "revoked": []})

    assert not answer.is_set()
    assert "no answer from AWS" in caplog.text
    answer.set()


@pytest.mark.usefixtures("connect")
def test_the_same_command_of_two_apps_is_two_commands(listener: Listener) -> None:
    """Each app counts with a clock of its own, from the same number on."""
    for app in (new_app(), new_app()):
        app.control.broadcast("pool_grow", {"n": 1})

    assert len(listener.heard()) == 2


@pytest.mark.usefixtures("connect")
def test_a_command_that_is_tried_again_is_one_command(listener: Listener, sqs: MemorySqs) -> None:
    """SQS had it, and nobody knew."""
    sqs.faults.lose_reply("SendMessage")

    new_app().control.broadcast("pool_grow", {"n": 1})

    assert len(listener.heard()) == 1
    assert sqs.count("SendMessage") == 2


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_control_plane_of_its_own(connect: Connect) -> None:
    """``gunicorn --preload``: its parent's is told of bindings, and the child would not be."""
    transport = connect(coordination_table="coordination").transport
    parents = transport.control_plane
    assert transport.control_plane is parents
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child is not measured
        os._exit(transport.control_plane is parents)

    assert os.waitpid(pid, 0)[1] == 0


class TestResults:
    """Those of ``rpc://``, published by a worker for a client elsewhere."""

    OID = "f4f1fb2a-2f3c-3c0e-9a3e-0d2a8ac4b6a5"

    def publish(self, connect: Connect) -> None:
        connection = connect(coordination_table="coordination", queue_name_prefix="prod-")
        connection.Producer().publish(
            {"status": "SUCCESS"}, routing_key=self.OID, correlation_id="1"
        )

    def test_one_is_sent_to_its_client_without_a_right_on_queues_of_any_name(
        self, connect: Connect, listener: Listener, sqs: MemorySqs
    ) -> None:
        listener.bind(self.OID, "", "direct", self.OID)
        sqs.faults.fail("GetQueueUrl", AccessDeniedError("no"), times=9)

        self.publish(connect)

        assert len(listener.heard()) == 1

    def test_one_whose_client_is_gone_is_dropped(self, connect: Connect, sqs: MemorySqs) -> None:
        sqs.faults.fail("GetQueueUrl", AccessDeniedError("no"), times=9)

        self.publish(connect)

        assert sqs.count("SendMessage") == sqs.count("CreateQueue") == 0

    @pytest.mark.parametrize("refusals", [0, 1])
    def test_one_whose_queue_is_on_sqs_goes_there(
        self, connect: Connect, sqs: MemorySqs, tables: MemoryTableService, refusals: int
    ) -> None:
        for _ in range(refusals):
            tables.fail_next("Query", AccessDeniedError("no"))
        sqs.create_queue(QueueName(f"prod-{self.OID}"), {}, {})

        self.publish(connect)

        assert len(sqs.messages(QueueName(f"prod-{self.OID}"))) == 1
