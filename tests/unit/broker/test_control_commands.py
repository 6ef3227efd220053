"""Control commands through a client's connection, on DynamoDB in memory."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from kombu import Connection, Exchange, pools

from celery_aws.broker import control_commands
from celery_aws.errors import AccessDeniedError, UnreachableError, UnsupportedError
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import COORDINATION, URL, Connect


class Office:
    """An app of a client process, and what is remembered of its revokes."""

    def __init__(self, tables: MemoryTableService, connection: Connection) -> None:
        self.tables = tables
        self.connection = connection
        self.app = self.new_app()
        # There is a table as soon as something was parked.
        connection.transport.coordination.table.ensure()

    def new_app(self) -> Celery:
        app = Celery("client", broker=URL, set_as_current=False)
        app.conf.broker_transport_options = self.connection.transport_options
        return app

    def remembered(self) -> set[str]:
        keys = [str(item["pk"]["S"]) for item in self.tables.items(COORDINATION)]
        return {key.removeprefix("revoked#") for key in keys if key.startswith("revoked#")}


@pytest.fixture
def office(connect: Connect, tables: MemoryTableService) -> Iterator[Office]:
    control_commands._warned.forget()
    made = Office(tables, connect(coordination_table=COORDINATION))
    yield made
    made.app.close()
    # They belong to the process, and what they are connected to to this test.
    pools.reset()


@pytest.mark.parametrize(
    ("revoke", "task_ids"),
    [
        (lambda app: app.control.revoke("1"), {"1"}),
        (lambda app: app.control.revoke(["1", "2"], terminate=True), {"1", "2"}),
        (lambda app: app.AsyncResult("1").revoke(), {"1"}),
        (lambda app: app.control.terminate("1"), {"1"}),
    ],
)
def test_a_revoke_is_remembered(
    office: Office, sqs: MemorySqs, revoke: Callable[[Celery], Any], task_ids: set[str]
) -> None:
    revoke(office.app)

    assert office.remembered() == task_ids
    assert sqs.count("SendMessage") == 0


def test_whom_it_reaches_is_said_once(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        office.app.control.revoke("1")
    pools.reset()
    other = office.new_app()
    other.control.revoke("2")
    other.close()

    assert office.remembered() == {"1", "2"}
    assert caplog.text.count("a revoke reaches only tasks that are parked") == 1


@pytest.mark.parametrize(
    "command",
    [
        lambda app: app.control.rate_limit("shop.mail", "1/s"),
        lambda app: app.control.shutdown(),
        lambda app: app.control.revoke([]),
    ],
)
def test_other_commands_are_refused(office: Office, command: Callable[[Celery], Any]) -> None:
    with pytest.raises(UnsupportedError, match=r"'celery\.pidbox' is a fanout: remote control"):
        command(office.app)


@pytest.mark.parametrize(
    "command", [lambda app: app.control.ping(), lambda app: app.control.revoke("1", reply=True)]
)
def test_commands_with_replies_are_refused(
    office: Office, command: Callable[[Celery], Any]
) -> None:
    with pytest.raises(UnsupportedError, match="expires: remote control"):
        command(office.app)

    assert office.remembered() == set()


def test_a_revoke_that_cannot_be_remembered_is_an_error(office: Office) -> None:
    office.tables.fail_next("PutItem", AccessDeniedError("not yours"))

    with pytest.raises(AccessDeniedError, match="not yours"):
        office.app.control.revoke("1")


def test_it_is_tried_again_as_any_publish_is(office: Office) -> None:
    office.tables.fail_next("PutItem", UnreachableError("no route"))

    office.app.control.revoke("1")

    assert office.remembered() == {"1"}


def test_without_a_table_it_is_refused(connect: Connect) -> None:
    app = Celery("client", broker=URL, set_as_current=False)
    app.conf.broker_transport_options = connect().transport_options

    with pytest.raises(UnsupportedError, match=r"'celery\.pidbox' is a fanout"):
        app.control.revoke("1")
    app.close()
    pools.reset()


def test_other_fanout_exchanges_are_refused_with_a_table_too(office: Office) -> None:
    with pytest.raises(UnsupportedError, match="'news' is a fanout"):
        Exchange("news", type="fanout")(office.connection.default_channel).declare()
