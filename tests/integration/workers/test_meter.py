"""What a real worker tells of its requests, its pool's included, however that ends."""

import json
import os
import re
import signal
from typing import Any

import pytest
from celery import Celery

from celery_aws import create_table
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

TASKS = 20


def told(app: Celery) -> dict[str, Any]:
    """Return the section ``aws`` of the one worker's stats."""
    (stats,) = app.control.inspect(timeout=PATIENCE_SECONDS, limit=1).stats().values()
    section: dict[str, Any] = stats["aws"]
    return section


def results_written(usage: dict[str, Any], project: Project) -> tuple[int, float]:
    """Return requests and units of the results that were stored."""
    by_table = usage["operations"].get("dynamodb.PutItem", {})
    puts = by_table.get(project.aws.results_table, {"requests": 0, "units": 0})
    return puts["requests"], puts["units"]


def run(app: Celery, tasks: int = TASKS) -> None:
    sent = [app.send_task("proj.add", (i, i)) for i in range(tasks)]
    assert [r.get(timeout=PATIENCE_SECONDS) for r in sent] == [2 * i for i in range(tasks)]


@pytest.fixture
def app(project: Project) -> Celery:
    app = project.client()
    create_table(app)
    return app


def test_stats_tell_of_the_worker_and_of_its_pool(project: Project, app: Celery) -> None:
    queue = f"{project.aws.queue_name_prefix}celery"
    with project.worker(pool="prefork") as worker:
        run(app)
        section = told(app)
        # A unit for each result: the emulator tells units as DynamoDB does.
        assert results_written(section["pool"], project) == (TASKS, TASKS)
        assert results_written(section["main"], project) == (0, 0)
        assert section["pool"]["write_units"] == TASKS
        operations = section["main"]["operations"]
        receives = operations["sqs.ReceiveMessage"]
        assert receives[queue]["requests"] >= receives[queue]["units"] >= 1
        assert f"{project.aws.queue_name_prefix}celery-inbox-*.fifo" in receives
        assert "sqs.ReceiveMessage" not in section["pool"]["operations"]
        assert re.search(r"://|arn:|\d{12}", json.dumps(section)) is None
        assert worker.stop() == 0
    assert len(re.findall("AWS requests: ", worker.log)) == 1
    (in_all, puts) = re.findall(
        r"AWS requests: (\d+) in all; .*dynamodb\.PutItem (\d+) \(", worker.log
    )[0]
    # What it wrote of itself is in it, and what it asked for after it had told.
    assert int(puts) > TASKS
    assert int(in_all) > section["main"]["requests"] + section["pool"]["requests"]


def test_what_children_counted_outlives_them(project: Project, app: Celery) -> None:
    with project.worker(pool="prefork", concurrency=1) as worker:
        run(app, 5)
        (child,) = worker.children()
        os.kill(child, signal.SIGKILL)
        run(app, 5)
        assert worker.children() != [child]
        assert results_written(told(app)["pool"], project) == (10, 10)


def test_children_of_one_task_each_are_counted(project: Project, app: Celery) -> None:
    project.configure(worker_max_tasks_per_child=1)
    with project.worker(pool="prefork"):
        run(app, 10)
        assert results_written(told(app)["pool"], project) == (10, 10)


@pytest.mark.parametrize(
    ("pool", "stop"),
    [("threads", signal.SIGQUIT), ("gevent", signal.SIGTERM), ("solo", signal.SIGTERM)],
)
def test_other_pools_count_in_the_main_process(
    project: Project, app: Celery, pool: str, stop: int
) -> None:
    with project.worker(pool=pool) as worker:
        run(app)
        section = told(app)
        assert results_written(section["main"], project) == (TASKS, TASKS)
        assert section["pool"]["requests"] == 0
        assert worker.stop(stop) == 0
    assert len(re.findall("AWS requests: ", worker.log)) == 1
