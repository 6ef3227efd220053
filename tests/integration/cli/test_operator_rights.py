"""What an operator does with queues by hand, with an operator's policy and nothing else."""

import json
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import boto3
import pytest
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result

from celery_aws.cli import aws
from celery_aws.core.inboxes import inbox_name
from celery_aws.iam import PolicyDocument, Role
from celery_aws.local import LocalAws
from celery_aws.queues import leftovers
from celery_aws.testing.fixtures import new_environment
from tests.integration.cli.test_iam import Shop
from tests.integration.policed import app_of


class Operated(Shop):
    """An app with dead letters and leftovers, and its operators."""

    @property
    def prefix(self) -> str:
        return str(self.config["broker_transport_options"]["queue_name_prefix"])

    def operate(self, document: PolicyDocument, *arguments: str) -> Result:
        user = self.users.make(f"operator-{uuid4().hex[:8]}", document)
        context = CLIContext(app=app_of(user.config(self.config)), no_color=True, workdir=None)
        return CliRunner().invoke(aws, arguments, obj=context)

    def bury(self, task_id: str) -> None:
        """Send a task, and its message to the dead-letter queue, as a worker that rejects it."""
        app_of(self.config).send_task("shop.mail", task_id=task_id)
        sqs = boto3.client("sqs")
        source, target = (
            sqs.get_queue_url(QueueName=f"{self.prefix}{name}")["QueueUrl"]
            for name in ("celery", "celery-dead-letter")
        )
        (message,) = sqs.receive_message(QueueUrl=source, WaitTimeSeconds=5)["Messages"]
        sqs.send_message(QueueUrl=target, MessageBody=message["Body"])
        sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])

    def leave(self) -> set[str]:
        """Leave an inbox and an unread queue of events behind."""
        sqs = boto3.client("sqs")
        inbox = inbox_name(self.prefix, uuid4().hex)
        sqs.create_queue(QueueName=inbox, Attributes={"FifoQueue": "true"})
        events = f"{self.prefix}celeryev-{uuid4()}"
        url = sqs.create_queue(QueueName=events)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="an event")
        return {inbox, events}


@pytest.fixture(scope="module")
def shop() -> Iterator[Operated]:
    with pytest.MonkeyPatch.context() as monkeypatch, LocalAws(auth=True) as local_aws:
        environment = new_environment(local_aws)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.variables.items():
            monkeypatch.setenv(name, value)
        for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
            monkeypatch.delenv(name)
        # All of it was left behind just now.
        monkeypatch.setattr(leftovers, "YOUNG", timedelta(0))
        monkeypatch.setattr(leftovers, "OLD", timedelta(0))
        yield Operated(environment)


def test_dead_letters(shop: Operated) -> None:
    document = shop.policy(Role.OPERATOR)
    shop.bury("one")
    shop.bury("two")

    for arguments in (["list"], ["show", "celery"], ["redrive", "celery", "--id", "one", "--yes"]):
        ended = shop.operate(document, "dlq", *arguments)
        assert ended.exit_code == 0, ended.output
    dropped = shop.operate(document, "dlq", "drop", "celery", "--all", "--yes")
    assert dropped.stdout == "1 message(s) deleted\n", dropped.output

    seen = shop.operate(document, "queues", "--parked", "--json")
    assert seen.exit_code == 0, seen.output
    (queue,) = json.loads(seen.stdout)["queues"]
    assert (queue["visible"], queue["dead_letters"], queue["parked"]) == (1, 0, 0)


def test_leftovers(shop: Operated) -> None:
    left = shop.leave()
    ended = shop.operate(shop.policy(Role.OPERATOR), "cleanup", "--yes")
    assert ended.exit_code == 0, ended.output
    assert {*ended.stdout.splitlines()} == left


@pytest.mark.parametrize(
    ("sid", "arguments"),
    [
        ("WatchQueues", ["queues"]),
        ("TakeDeadLetters", ["dlq", "show", "celery"]),
        ("SendBack", ["dlq", "redrive", "celery", "--task", "shop.mail", "--yes"]),
        ("ReadErrors", ["dlq", "show", "celery"]),
        ("RemoveLeftovers", ["cleanup", "--yes"]),
        ("LookAtInboxes", ["cleanup", "--yes"]),
        ("FindLeftovers", ["cleanup", "--yes"]),
    ],
)
def test_each_statement_is_needed(shop: Operated, sid: str, arguments: list[str]) -> None:
    if sid in ("ReadErrors", "SendBack"):
        shop.bury("three")
    if "cleanup" in arguments:
        shop.leave()
    ended = shop.operate(shop.policy(Role.OPERATOR).without(sid), *arguments)
    assert ended.exit_code == 3, ended.output


def test_a_monitor_is_no_operator(shop: Operated) -> None:
    monitor = shop.policy(Role.MONITOR)
    assert shop.operate(monitor, "queues", "--parked").exit_code == 0
    assert shop.operate(monitor, "backlog", "--timeout", "0.5").exit_code == 0
    assert shop.operate(monitor, "dlq", "show", "celery").exit_code == 3
    assert shop.operate(monitor, "cleanup", "--plan").exit_code == 3
