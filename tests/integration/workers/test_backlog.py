"""What real workers say of themselves to the operator's commands."""

import json
from typing import Any

import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner

from celery_aws.cli import aws
from tests.integration.workers.conftest import Project, start_together

pytestmark = pytest.mark.worker


def run_json(client: Celery, *arguments: str) -> Any:
    context = CLIContext(app=client, no_color=True, workdir=None)
    ended = CliRunner().invoke(aws, [*arguments, "--json"], obj=context)
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_workers_and_their_slots_by_queue(project: Project) -> None:
    client = project.client()
    for queue in ("celery", "mail", "mail"):
        client.send_task("proj.add", (1, 1), queue=f"{queue}-waiting")
    one = project.worker(name="one", pool="threads", concurrency=3, queues=["celery", "mail"])
    two = project.worker(name="two", pool="solo", concurrency=1, queues=["mail"])
    start_together(one, two)

    names = ["celery", "mail", "mail-waiting"]
    arguments = [word for name in names for word in ("--queue", name)]
    found = run_json(client, "backlog", "--timeout", "3", "--task-seconds", "2", *arguments)

    rows = {row["queue"]: row for row in found["queues"]}
    assert {name: (row["workers"], row["slots"]) for name, row in rows.items()} == {
        "celery": (1, 3),
        "mail": (2, 4),
        "mail-waiting": (0, 0),
    }
    waiting = rows["mail-waiting"]
    assert (waiting["ready"], waiting["backlog_per_worker"]) == (2, 2.0)
    assert waiting["drain_seconds"] is None
    total = found["total"]
    assert (total["ready"], total["workers"], total["slots"]) == (2, 2, 4)
    assert total["drain_seconds"] == 1.0
    seen = run_json(client, "queues", "--workers")["queues"]
    assert {row["queue"]: row["workers"] for row in seen}["celery"] == 1
