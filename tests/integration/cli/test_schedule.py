"""``celery -A proj aws schedule ...`` on the local AWS, with a real worker where one is needed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from celery import Celery, chord, states
from celery.bin.base import CLIContext
from celery.exceptions import ChordError, TaskRevokedError
from click.testing import CliRunner, Result

from celery_aws.cli import aws
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.workers.conftest import HERE, PATIENCE_SECONDS, Project

HOUR = 3_600


@pytest.fixture
def project(aws_environment: AwsEnvironment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    # They would win over the project's configuration.
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        yield Project(aws_environment, stack)


@pytest.fixture
def client(project: Project) -> Celery:
    return project.client()


def schedule(client: Celery, *arguments: str) -> Result:
    context = CLIContext(app=client, no_color=True, workdir=None)
    return CliRunner().invoke(aws, ["schedule", *arguments], obj=context)


def schedule_json(client: Celery, *arguments: str) -> Any:
    ended = schedule(client, *arguments, "--json")
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def park(client: Celery, task_id: str, seconds: float, **options: Any) -> Any:
    return client.send_task("proj.add", (1, 2), countdown=seconds, task_id=task_id, **options)


def test_a_list_of_120_tasks_page_by_page(client: Celery) -> None:
    start = datetime.now(timezone.utc) + timedelta(hours=1)
    ids = [f"task-{number}" for number in range(120)]
    for number, task_id in enumerate(ids):
        queue = "orders.fifo" if number % 3 == 0 else "celery"
        eta = start + timedelta(seconds=20 * number)
        client.send_task("proj.add", (1, 2), eta=eta, task_id=task_id, queue=queue)
    listed: list[str] = []
    page: dict[str, Any] = {"next": None}
    for size in (50, 50, 20):
        after = ["--after", page["next"]] if page["next"] else []
        page = schedule_json(client, "list", *after)
        assert len(page["tasks"]) == size
        listed += [task["id"] for task in page["tasks"]]
    assert page["next"] is None
    assert listed == ids

    fifo = schedule_json(client, "list", "--queue", "orders.fifo", "--limit", "100")
    assert [task["id"] for task in fifo["tasks"]] == ids[::3]
    until = (start + timedelta(seconds=20 * 7)).isoformat()
    some = schedule_json(client, "list", "--until", until)
    assert [task["id"] for task in some["tasks"]] == ids[:7]

    counts = schedule_json(client, "counts")
    assert counts["total"] == 120
    assert sum(counts["hours"].values()) == 120


def test_a_cancelled_task_says_so_to_whoever_waits(client: Celery) -> None:
    result = park(client, "one", 3 * HOUR)
    (task,) = schedule_json(client, "show", "one")["tasks"]
    assert (task["task"], task["args"], task["queue"]) == ("proj.add", "(1, 2)", "celery")
    due = schedule(client, "show", "one", "--due", task["due"])
    assert due.exit_code == 0
    assert schedule(client, "cancel", "one", "--yes").stdout == "one  celery  cancelled\n"
    assert result.state == states.REVOKED
    with pytest.raises(TaskRevokedError, match="cancelled while it was parked"):
        result.get(timeout=PATIENCE_SECONDS)
    assert schedule_json(client, "list") == {"tasks": [], "next": None}
    again = schedule(client, "cancel", "one", "--yes")
    assert again.exit_code == 1
    assert "one: not parked (any more)" in again.stderr


def test_a_large_task_goes_and_leaves_nothing(project: Project, client: Celery) -> None:
    bucket = f"{project.aws.queue_name_prefix}bodies"
    boto3.client("s3").create_bucket(Bucket=bucket)
    project.configure(broker_transport_options={"large_message_bucket": bucket})
    client = project.client()
    client.send_task("proj.length", ("x" * 1_500_000,), countdown=HOUR, task_id="one")
    (task,) = schedule_json(client, "show", "one")["tasks"]
    assert task["s3"].startswith(f"s3://{bucket}/")
    assert schedule(client, "cancel", "one", "--yes").exit_code == 0
    assert client.AsyncResult("one").state == states.REVOKED
    assert boto3.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.worker
@pytest.mark.oldest
def test_a_worker_runs_at_once_what_was_sent_now(project: Project, client: Celery) -> None:
    results = [park(client, "one", HOUR), park(client, "two", HOUR, queue="orders.fifo")]
    old = project.client(task_protocol=1)
    results.append(park(old, "three", HOUR))
    ended = schedule(client, "run-now", "one", "two", "three", "--yes")
    assert ended.exit_code == 0, ended.output
    with project.worker(pool="solo", arguments=["-Q", "celery,orders.fifo"]):
        assert [each.get(timeout=PATIENCE_SECONDS) for each in results] == [3, 3, 3]
    assert schedule_json(client, "list") == {"tasks": [], "next": None}


@pytest.mark.worker
def test_a_chord_whose_part_was_cancelled_does_not_wait_for_it(
    project: Project, client: Celery
) -> None:
    parts = [
        client.signature("proj.add", (1, 2)),
        client.signature("proj.add", (3, 4)).set(countdown=HOUR, task_id="late"),
    ]
    result = chord(parts, app=client)(client.signature("proj.length"))
    with project.worker(pool="solo"):
        assert result.parent.results[0].get(timeout=PATIENCE_SECONDS) == 3
        assert schedule(client, "cancel", "late", "--yes").exit_code == 0
        with pytest.raises(TaskRevokedError, match="cancelled"):
            result.get(timeout=PATIENCE_SECONDS)
        with pytest.raises(ChordError, match="cancelled while it was parked"):
            client.AsyncResult(result.id).get(timeout=PATIENCE_SECONDS)


@pytest.mark.worker
def test_a_worker_discards_what_was_cancelled_and_tells_the_chord_that_only_it_can_read(
    project: Project,
) -> None:
    project.configure(accept_content=["json", "pickle"])
    client = project.client()
    late = client.signature("proj.add", (3, 4)).set(
        countdown=HOUR, task_id="late", serializer="pickle"
    )
    parts = [client.signature("proj.add", (1, 2)), late]
    result = chord(parts, app=client)(client.signature("proj.length"))
    with project.worker(pool="solo", environment={"C_FORCE_ROOT": "1"}) as worker:
        assert result.parent.results[0].get(timeout=PATIENCE_SECONDS) == 3
        ended = schedule(client, "cancel", "late", "--yes", "--json")
        assert json.loads(ended.stdout)["tasks"][0]["outcome"] == "discarded when due"
        assert client.AsyncResult("late").state == states.REVOKED
        assert client.AsyncResult(result.id).state == states.PENDING
        # It is due, as it were.
        assert schedule(client, "run-now", "late", "--yes").exit_code == 0
        worker.wait_for_log(r"Discarding revoked task: proj\.add\[late\]", PATIENCE_SECONDS)
        with pytest.raises(ChordError, match="revoked"):
            client.AsyncResult(result.id).get(timeout=PATIENCE_SECONDS)


def test_it_is_a_command_of_celery(project: Project, client: Celery) -> None:
    park(client, "one", HOUR)
    ended = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "proj", "aws", "schedule", "list", "--json"],
        cwd=HERE,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert [task["id"] for task in json.loads(ended.stdout)["tasks"]] == ["one"]
    assert ended.stderr == ""
