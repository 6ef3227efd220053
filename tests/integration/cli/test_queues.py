"""``celery aws queues``, ``backlog`` and ``cleanup`` on the local AWS, with real workers."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result

from celery_aws.cli import aws
from celery_aws.core.inbox_items import InboxRecord
from celery_aws.core.inboxes import inbox_name
from celery_aws.core.routing import Binding
from celery_aws.names import AmqpQueue, InboxId, QueueUrl
from celery_aws.queues import leftovers
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project, close_control_planes

pytestmark = pytest.mark.worker


@pytest.fixture
def project(aws_environment: AwsEnvironment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    # They would win over the project's configuration.
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        stack.callback(close_control_planes)
        yield Project(aws_environment, stack)


def run(client: Celery, *arguments: str) -> Result:
    context = CLIContext(app=client, no_color=True, workdir=None)
    return CliRunner().invoke(aws, arguments, obj=context)


def run_json(client: Celery, *arguments: str) -> Any:
    ended = run(client, *arguments, "--json")
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_backlog_and_queues_of_a_running_worker(project: Project) -> None:
    client = project.client(task_queues={"celery": {}, "reports": {}})
    with project.worker(pool="threads", concurrency=2, arguments=["-Q", "celery"]):
        # Nobody consumes this one.
        for _ in range(6):
            client.send_task("proj.add", (1, 2), queue="reports")
        client.send_task("proj.add", (1, 2), queue="reports", countdown=600)
        client.send_task("proj.add", (1, 2)).get(timeout=PATIENCE_SECONDS)

        seen = run_json(client, "queues", "--workers")["queues"]
        found = run_json(client, "backlog", "--task-seconds", "2", "--timeout", "1")

    counts = {each["queue"]: (each["visible"], each["delayed"], each["workers"]) for each in seen}
    assert counts == {"celery": (0, 0, 1), "reports": (6, 1, 0)}
    queues = {each.pop("queue"): each for each in found["queues"]}
    assert queues["celery"] == {
        "ready": 0,
        "workers": 1,
        "slots": 2,
        "backlog_per_worker": 0.0,
        "tasks_a_second": 1.0,
        "drain_seconds": 0.0,
    }
    # As if there were a worker, so that a scaler starts one.
    assert (queues["reports"]["ready"], queues["reports"]["workers"]) == (6, 0)
    assert queues["reports"]["backlog_per_worker"] == 6.0
    assert queues["reports"]["drain_seconds"] is None
    assert (found["total"]["ready"], found["total"]["drain_seconds"]) == (6, 6.0)


def test_a_sample_of_a_worker_at_work(project: Project) -> None:
    client = project.client(task_ignore_result=True)
    with project.worker(pool="threads", concurrency=2):
        for _ in range(60):
            client.send_task("proj.work", (0.2,))
        (found,) = run_json(client, "backlog", "--sample", "1", "--timeout", "1")["queues"]

    # Ten a second is all that two slots can do.
    assert 3 < found["tasks_a_second"] < 12


class Leftovers:
    """What others have left behind in a project's corner of the local AWS, and what is in use."""

    def __init__(self, project: Project, client: Celery) -> None:
        self.project = project
        with client.connection_for_write() as connection:
            self.shared = connection.transport.coordination

    def queue(self, name: str, *bodies: str, **attributes: str) -> str:
        sqs = boto3.client("sqs")
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        for body in bodies:
            sqs.send_message(QueueUrl=url, MessageBody=body)
        return name

    def stock(self, *names: str) -> list[str]:
        """Let the stock transport make queues, by Celery's names for them."""
        prefix = self.project.aws.queue_name_prefix
        with Celery("old", set_as_current=False, broker="sqs://") as old:
            old.conf.broker_transport_options = {"queue_name_prefix": prefix, "region": "us-east-1"}
            with old.connection_for_write() as connection:
                channel = connection.default_channel
                before = {*self.project.queues()}
                for name in names:
                    channel.queue_declare(name)
        return sorted({*self.project.queues()} - before)

    def orphan(self) -> str:
        name = inbox_name(self.project.aws.queue_name_prefix, uuid4().hex)
        return self.queue(name, FifoQueue="true")

    def stale_bindings(self) -> None:
        """Bind a queue that is gone, and one of a process that is."""
        gone = Binding(exchange="news", kind="topic", queue=AmqpQueue("gone"), routing_key="#")
        dead = InboxId(uuid4().hex)
        self.shared.bindings.put(gone)
        self.shared.bindings.put(
            Binding(
                exchange="news",
                kind="fanout",
                queue=AmqpQueue("of a process"),
                routing_key="",
                inbox=dead,
                inbox_url=QueueUrl("https://nowhere"),
                token="t",
            )
        )


def test_cleanup_leaves_the_living_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    # All of this was made just now.
    monkeypatch.setattr(leftovers, "YOUNG", timedelta(0))
    client = project.client()
    prefix = project.aws.queue_name_prefix
    left = Leftovers(project, client)
    oid = str(client.control.mailbox.oid)
    stock = left.stock(
        f"celeryev.{uuid4()}", f"{oid}.reply.celery.pidbox", "celery@host.celery.pidbox"
    )
    assert len(stock) == 3
    with project.worker(pool="solo"):
        (living,) = project.inboxes()
        orphan = left.orphan()
        left.stale_bindings()
        bound = {each.queue for each in left.shared.bindings.all()} - {"gone", "of a process"}
        assert bound

        planned = run(client, "cleanup", "--plan", "--json")
        assert planned.exit_code == 1, planned.output
        plan = json.loads(planned.stdout)
        verdicts = {each["name"]: each["left_behind"] for each in plan["queues"]}
        assert verdicts == {
            orphan: "sure",
            f"{prefix}{living}": "may be in use",
            **{f"{prefix}{name}": "may be in use" for name in stock},
        }

        ended = run(client, "cleanup", "--yes")
        assert ended.exit_code == 0, ended.output
        assert ended.stdout == f"{orphan}\n"
        assert "1 queue(s) and 2 binding(s) deleted" in ended.stderr
        assert {each.queue for each in left.shared.bindings.all()} == bound
        assert client.control.ping(timeout=PATIENCE_SECONDS, limit=1)
        assert {*stock, living} <= {*project.queues()}

        # Some days later, and somebody knows that nothing with the stock transport runs.
        monkeypatch.setattr(leftovers, "OLD", timedelta(0))
        ended = run(client, "cleanup", "--yes", "--probable")
        assert ended.exit_code == 0, ended.output
        # A worker's mailbox that is empty may be read by one.
        mailboxes = [name for name in stock if "host" in name]
        assert {*ended.stdout.splitlines()} == {f"{prefix}{n}" for n in stock if "host" not in n}
        assert {*stock} & {*project.queues()} == {*mailboxes}
        assert client.control.ping(timeout=PATIENCE_SECONDS, limit=1)


def test_events_that_nobody_has_read(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "YOUNG", timedelta(0))
    monkeypatch.setattr(leftovers, "OLD", timedelta(0))
    client = project.client()
    left = Leftovers(project, client)
    name = left.queue(f"{project.aws.queue_name_prefix}celeryev-{uuid4()}", "an event")

    (found,) = json.loads(run(client, "cleanup", "--plan", "--json").stdout)["queues"]
    assert (found["visible"], found["left_behind"]) == (1, "sure")
    assert found["oldest_message_at"] is not None
    # The look has hidden nothing.
    assert project.messages(name.removeprefix(project.aws.queue_name_prefix)) == (1, 0)

    assert run(client, "cleanup", "--yes").stdout == f"{name}\n"


def test_a_record_in_the_registry_keeps_an_inbox(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "YOUNG", timedelta(0))
    client = project.client()
    left = Leftovers(project, client)
    inbox = InboxId(uuid4().hex)
    name = left.queue(inbox_name(project.aws.queue_name_prefix, inbox), FifoQueue="true")
    left.shared.inboxes.put(
        InboxRecord(inbox=inbox, url=QueueUrl("u"), owner="o", version="1", duration_seconds=60)
    )

    assert run(client, "cleanup", "--yes").stdout == ""
    left.shared.inboxes.remove(inbox)
    assert run(client, "cleanup", "--yes").stdout == f"{name}\n"
