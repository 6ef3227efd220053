"""``celery -A proj aws canary`` on the local AWS: there and back, and stuck on the way."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result

from celery_aws.cli import aws
from celery_aws.cli.canary import ASKS_FOR_RESULTS
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.workers.conftest import Project


@pytest.fixture
def project(aws_environment: AwsEnvironment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    # They would win over the project's configuration.
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        yield Project(aws_environment, stack)


def canary(client: Celery, *arguments: str) -> Result:
    context = CLIContext(app=client, no_color=True, workdir=None)
    return CliRunner().invoke(aws, ["canary", *arguments], obj=context)


def lost(client: Celery, *arguments: str) -> Any:
    ended = canary(client, "--timeout", "1", "--json", *arguments)
    assert ended.exit_code == 1, ended.output
    return json.loads(ended.stdout)


@pytest.mark.worker
@pytest.mark.oldest
def test_it_comes_back_and_leaves_nothing(project: Project) -> None:
    project.configure(task_ignore_result=ASKS_FOR_RESULTS)
    client = project.client()
    with project.worker(pool="solo"):
        ended = canary(client, "--json")
        assert ended.exit_code == 0, ended.output
        flight = json.loads(ended.stdout)
        assert flight["came_back"]
        assert 0 < flight["milliseconds"] < 30_000
        assert flight["requests"]["sqs.SendMessage"] == 1
        assert flight["requests"]["dynamodb.DeleteItem"] == 1
        words = canary(client)
        assert "queue celery: there and back in" in words.stdout
        assert "sqs.SendMessage 1" in words.stdout
    assert project.messages() == (0, 0)
    assert boto3.client("dynamodb").scan(TableName=project.aws.results_table)["Count"] == 0


@pytest.mark.worker
def test_no_worker_has_taken_it(project: Project) -> None:
    client = project.client()
    with project.worker(pool="solo", queues=["celery", "other"]):
        assert canary(client, "--queue", "other").exit_code == 0
    flight = lost(client, "--queue", "other")
    assert "waits in the queue" in flight["problem"]
    assert flight["depth"] == {"visible": 1, "in_flight": 0, "delayed": 0}


@pytest.mark.worker
def test_the_worker_is_busy(project: Project) -> None:
    client = project.client()
    worker = project.worker(pool="solo", arguments=["--prefetch-multiplier", "2"])
    with worker:
        task = client.send_task("proj.work", (4.0,))
        worker.wait_for_log(rf"proj\.work\[{task.id}\] received")
        flight = lost(client)
        assert "they are busy" in flight["problem"]
        assert flight["depth"]["visible"] == 0


@pytest.mark.worker
def test_the_result_went_elsewhere(project: Project) -> None:
    client = project.client()
    other = project.aws.result_backend.replace("-results", "-elsewhere")
    with project.worker(pool="solo", config={"result_backend": other}) as worker:
        flight = lost(client)
        worker.wait_for_log(rf"celery\.accumulate\[{flight['task_id']}\] succeeded")
        # It was acknowledged before it ran, and soon deleted.
        project.wait_for_messages((0, 0))
    assert "same result backend" in flight["problem"] or "they are busy" in flight["problem"]


def test_a_queue_that_is_missing_is_not_created(project: Project) -> None:
    assert lost(project.client(), "--queue", "nowhere")["problem"] == "there is no such queue"
    assert "nowhere" not in project.queues()


def test_without_a_result_backend_it_cannot_be_done(project: Project) -> None:
    ended = canary(project.client(result_backend=None))
    assert ended.exit_code == 2
    assert "set result_backend" in ended.stderr


def test_an_app_that_wants_no_results_is_refused_where_it_would_get_none(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celery_aws.cli.canary.ASKS_FOR_RESULTS", False)
    ended = canary(project.client(task_ignore_result=True))
    assert ended.exit_code == 2
    assert "task_ignore_result is set" in ended.stderr


def test_who_reaches_nobody_is_told_so(project: Project) -> None:
    nowhere = {"broker_url": "aws+sqs://localhost:1"}
    ended = canary(project.client(**nowhere))
    assert ended.exit_code == 3
    assert "security groups" in ended.stderr
