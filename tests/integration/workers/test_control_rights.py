"""The policies of docs/reference/remote-control.md: who only sends tasks, and who may command."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest

from celery_aws import create_table
from celery_aws.core.binding_items import PARTITION_OF_BINDINGS
from celery_aws.core.reply_items import reply_partition
from celery_aws.core.schedule import Shard, markers_partition
from celery_aws.errors import AccessDeniedError
from celery_aws.local import LocalAws
from celery_aws.testing import WorkerProcess
from celery_aws.testing.fixtures import new_environment
from tests.integration.policed import SWITCH
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "remote-control.md"


def policy(name: str, prefix: str = "myapp-") -> dict[str, Any]:
    """Return a policy of the page, for queues and tables of this prefix."""
    text = PAGE.read_text().partition(f"<!-- {name} -->\n```json\n")[2].partition("```")[0]
    return dict(json.loads(text.replace("myapp-", prefix)))


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project on an AWS that checks rights; its own are root's."""
    with ExitStack() as stack:
        environment = new_environment(stack.enter_context(LocalAws(auth=True)))
        for name, value in environment.variables.items():
            monkeypatch.setenv(name, value)
        for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
            monkeypatch.delenv(name)
        monkeypatch.delenv(SWITCH, raising=False)
        yield Project(environment, stack)


@pytest.fixture
def worker(project: Project) -> Iterator[WorkerProcess]:
    create_table(project.client())
    with project.worker(pool="solo") as worker:
        yield worker
        worker.kill()


def client_of(project: Project, *policies: str) -> Any:
    """Return the app of a user who has these policies and nothing else."""
    iam = boto3.client("iam")
    user = "-".join(policies)
    iam.create_user(UserName=user)
    for name in policies:
        document = json.dumps(policy(name, project.aws.queue_name_prefix))
        iam.put_user_policy(UserName=user, PolicyName=name, PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    host = project.aws.endpoint_url.removeprefix("http://")
    return project.client(
        broker_url=f"aws+sqs://{key['AccessKeyId']}:{key['SecretAccessKey']}@{host}",
        result_backend=None,
        task_publish_retry=False,
    )


@pytest.mark.worker
def test_who_may_only_send_tasks_commands_nobody(project: Project, worker: WorkerProcess) -> None:
    producer = client_of(project, "producer")

    sent = producer.send_task("proj.add", (1, 2), ignore_result=True)
    parked = producer.send_task("proj.add", (1, 2), countdown=3_600, ignore_result=True)

    worker.wait_for_log(rf"{sent.id}\] succeeded")
    assert parked.id
    with pytest.raises(AccessDeniedError):
        producer.control.shutdown()
    with pytest.raises(AccessDeniedError):
        producer.control.ping(timeout=PATIENCE_SECONDS)
    assert worker.running


@pytest.mark.worker
def test_the_denial_is_stronger_than_other_policies(
    project: Project, worker: WorkerProcess
) -> None:
    both = client_of(project, "producer", "controller")

    with pytest.raises(AccessDeniedError, match=r"SendMessage for .*celery-inbox-"):
        both.control.shutdown()

    both.send_task("proj.add", (1, 2), ignore_result=True)
    worker.wait_for_log(r"proj\.add\[.*succeeded")


@pytest.mark.worker
def test_who_may_command_sees_answers_and_revokes(project: Project, worker: WorkerProcess) -> None:
    controller = client_of(project, "controller")

    (reply,) = controller.control.ping(limit=1, timeout=PATIENCE_SECONDS)
    controller.control.revoke("some-task", reply=True, limit=1, timeout=PATIENCE_SECONDS)

    assert list(reply.values()) == [{"ok": "pong"}]
    with pytest.raises(AccessDeniedError):
        controller.send_task("proj.add", (1, 2), ignore_result=True)


@pytest.mark.parametrize(
    ("name", "action", "keys"),
    [
        (
            "producer",
            "dynamodb:PutItem",
            [
                Shard(lane="standard", bucket="20261123T0250", number=7).partition,
                markers_partition("standard"),
                "part#schedule#standard",
            ],
        ),
        ("controller", "dynamodb:Query", [PARTITION_OF_BINDINGS, reply_partition("an-oid")]),
        ("controller", "dynamodb:BatchWriteItem", [reply_partition("an-oid")]),
        ("controller", "dynamodb:PutItem", ["revoked#some-task"]),
    ],
)
def test_leading_keys_are_those_that_are_used(name: str, action: str, keys: list[str]) -> None:
    patterns = [
        pattern
        for statement in policy(name)["Statement"]
        if action in statement["Action"]
        for keys_by_name in statement["Condition"].values()
        for pattern in keys_by_name["dynamodb:LeadingKeys"]
    ]
    for key in keys:
        assert any(fnmatchcase(key, pattern) for pattern in patterns), key
    assert not any(fnmatchcase("lease#mover-standard", pattern) for pattern in patterns)
