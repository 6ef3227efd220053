"""A real exporter beside a real worker, read as Prometheus reads it."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from celery_aws.local.output import ProcessOutput, spawn
from tests.integration.metrics.scraping import Scraper, value
from tests.integration.workers.conftest import HERE, PATIENCE_SECONDS, Project
from tests.unit.metrics.emf_schema import check

pytestmark = pytest.mark.worker

COMMAND = [sys.executable, "-m", "celery", "-A", "proj", "aws", "exporter"]

#: Nobody would answer, and it would be waited for.
UNASKED = ["--inspect-interval", "0"]


class Exporter:
    """An exporter that runs."""

    def __init__(self, process: "subprocess.Popen[str]", output: ProcessOutput) -> None:
        self._process = process
        self._output = output
        assert output.wait_for(r"metrics at http", PATIENCE_SECONDS), output.text
        (url,) = re.findall(r"metrics at (\S+)", output.text)
        self.scraper = Scraper(url)

    def end(self) -> int:
        """End it as a container's host does; return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_SECONDS)


@contextmanager
def exporter(project: Project, *arguments: str) -> Iterator[Exporter]:
    with start(project, "--port", "0", *arguments) as (process, output):
        yield Exporter(process, output)


@contextmanager
def start(
    project: Project, *arguments: str
) -> "Iterator[tuple[subprocess.Popen[str], ProcessOutput]]":
    command = [*COMMAND, "--interval", "1", *arguments]
    process, output = spawn("exporter", command, project.environment(), directory=HERE)
    try:
        yield process, output
    finally:
        process.kill()
        process.wait()
        output.stop(1.0)
        print(output.text)


@pytest.mark.oldest
def test_a_scrape_tells_of_tasks_queues_and_workers(project: Project) -> None:
    app = project.client(task_send_sent_event=True)
    with (
        project.worker(pool="threads", concurrency=3, arguments=["-E"]),
        exporter(project, "--inspect-interval", "2") as running,
    ):
        up = running.scraper.wait_for(lambda scrape: value(scrape, "celery_worker_up") == 1)
        assert value(up, "celery_worker_up") == 1
        sent = [app.send_task("proj.add", (i, i)) for i in range(4)]
        failing = app.send_task("proj.fail", ("no",))
        assert [each.get(timeout=PATIENCE_SECONDS) for each in sent] == [0, 2, 4, 6]
        failing.get(timeout=PATIENCE_SECONDS, propagate=False)
        app.send_task("proj.add", (1, 1), countdown=600)
        app.send_task("proj.add", (1, 1), countdown=3_600)

        def all_told(scrape: dict[tuple[str, tuple[tuple[str, str], ...]], float]) -> bool:
            return (
                value(scrape, "celery_task_succeeded_total") == 4
                and value(scrape, "celery_task_failed_total") == 1
                and value(scrape, "celery_task_queue_wait_time_count") == 5
                and value(scrape, "celery_aws_queue_messages_delayed") == 1
                and value(scrape, "celery_active_process_count", queue_name="celery") == 3
                and ("celery_aws_queue_backlog_per_worker", (("queue_name", "celery"),)) in scrape
            )

        found = running.scraper.wait_for(all_told)
        assert len(project.inboxes()) == 2
        assert running.end() == 0
        # The worker's.
        assert len(project.inboxes()) == 1
    add = {"name": "proj.add", "queue_name": "celery"}
    assert value(found, "celery_task_succeeded_total", **add) == 4
    assert value(found, "celery_task_sent_total", hostname="generic", **add) == 6
    assert value(found, "celery_task_failed_total", exception="LookupError") == 1
    assert value(found, "celery_task_runtime_count", **add) == 4
    assert value(found, "celery_task_queue_wait_time_count", **add) == 4
    assert value(found, "celery_active_worker_count", queue_name="celery") == 1
    assert value(found, "celery_active_process_count", queue_name="celery") == 3
    assert value(found, "celery_aws_registered_workers") == 1
    assert value(found, "celery_aws_queue_messages_delayed", queue_name="celery") == 1
    assert value(found, "celery_queue_length", queue_name="celery") == 0
    assert value(found, "celery_aws_queue_time_to_drain_seconds", queue_name="celery") == 0
    assert value(found, "celery_aws_queue_dead_letters", queue_name="celery") == 0
    assert value(found, "celery_aws_exporter_reads_failed_total") == 0
    assert value(found, "celery_aws_requests_total", operation="GetQueueAttributes") > 1


def test_without_events_it_makes_no_inbox(project: Project) -> None:
    app = project.client()
    app.send_task("proj.add", (1, 2))
    app.send_task("proj.add", (1, 2), queue="other")
    app.send_task("proj.add", (1, 2), countdown=3_600)
    with exporter(project, "--no-events", "-Q", "other", *UNASKED) as running:
        found = running.scraper.wait_for(
            lambda scrape: (
                value(scrape, "celery_aws_queue_messages_visible") == 2
                and value(scrape, "celery_aws_scheduled_tasks") == 1
            )
        )
        assert project.inboxes() == []
        assert running.end() == 0
    assert value(found, "celery_queue_length", queue_name="celery") == 1
    assert value(found, "celery_aws_queue_messages_visible", queue_name="other") == 1
    assert value(found, "celery_aws_scheduled_tasks", lane="standard") == 1
    assert not any(name.startswith("celery_task") for name, _ in found)


def test_one_look_as_json(project: Project) -> None:
    app = project.client()
    app.send_task("proj.add", (1, 2))
    ended = subprocess.run(
        [*COMMAND, "--once", "--json"],
        cwd=HERE,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    found = {
        (each["name"], each["labels"].get("queue_name")): each["value"]
        for each in json.loads(ended.stdout)["metrics"]
    }
    assert found["celery_aws_queue_messages_visible", "celery"] == 1
    assert project.inboxes() == []


def test_documents_for_cloudwatch_and_an_age_from_there(project: Project, tmp_path: Path) -> None:
    app = project.client()
    app.send_task("proj.add", (1, 2))
    name = f"{project.aws.queue_name_prefix}celery"
    boto3.client("cloudwatch").put_metric_data(
        Namespace="AWS/SQS",
        MetricData=[
            {
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": name}],
                "Value": 77.0,
                "Unit": "Seconds",
            }
        ],
    )
    path, age = tmp_path / "metrics.jsonl", "celery_aws_queue_oldest_age_seconds"
    arguments = ["--no-events", "--oldest-age", *UNASKED]
    arguments += ["--emf", str(path), "--dimension", "service=shop"]
    with exporter(project, *arguments) as running:
        found = running.scraper.wait_for(lambda scrape: value(scrape, age) > 0)
        assert running.end() == 0
    assert value(found, age, queue_name="celery") == 77
    assert value(found, "celery_queue_length") == 1
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    for each in documents:
        check(each)
    (of_queue,) = [each for each in documents if each.get("queue_name") == "celery"]
    assert of_queue["service"] == "shop"
    assert of_queue["celery_aws_queue_messages_visible"] == 1


def test_documents_on_the_standard_output_and_nothing_else(project: Project) -> None:
    app = project.client()
    app.send_task("proj.add", (1, 2))
    arguments = ["--no-events", "--no-prometheus", "--emf", "-", "--emf-interval", "1", *UNASKED]
    with start(project, *arguments) as (process, output):
        assert output.wait_for(r'"celery_aws_queue_messages_visible": 1', PATIENCE_SECONDS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
        for line in output.text.splitlines():
            check(json.loads(line))
