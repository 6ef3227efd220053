"""Poison among good messages, met by real workers, and what an operator does with it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result

from celery_aws import batch
from celery_aws.cli import aws
from tests.integration.workers.conftest import HERE, PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

POISON = 1_000
GOOD = 300

#: For how long the messages are hidden that a killed command has received.
HIDDEN_SECONDS = 20

#: A worker moves a message by itself in some milliseconds; far more than it takes.
LONG_SECONDS = 180

REDRIVEN, DROPPED = "proj.reject", "proj.fail_unacknowledged"


def run(client: Celery, *arguments: str, typed: str = "") -> Result:
    context = CLIContext(app=client, no_color=True, workdir=None)
    return CliRunner().invoke(aws, ["dlq", *arguments], obj=context, input=typed)


def run_json(client: Celery, *arguments: str) -> Any:
    ended = run(client, *arguments, "--json")
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def ids_in(project: Project, queue: str) -> Counter[str]:
    """Take everything out of a queue and return the ids of its tasks."""
    sqs, url = boto3.client("sqs"), project.queue_url(queue)
    found: Counter[str] = Counter()
    while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found.update(json.loads(each["Body"])["headers"]["id"] for each in received)
        entries = [
            {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]}
            for number, each in enumerate(received)
        ]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return found


def send_poison_among_good(client: Celery) -> tuple[list[Any], dict[str, str]]:
    """Return the good tasks' results, and the poison's tasks by their ids."""
    good, poison = [], {}
    with batch(client):
        for number in range(POISON):
            task = REDRIVEN if number % 2 else DROPPED
            poison[client.send_task(task, (f"poison {number}",)).id] = task
            if number % 10 < 3:
                good.append(client.send_task("proj.add", (number, 1)))
    assert (len(good), len(poison)) == (GOOD, POISON)
    return good, poison


def killed_redrive(project: Project) -> int:
    """Kill a redrive in its middle; return how many messages it has sent."""
    command = [sys.executable, "-m", "celery", "-A", "proj", "aws", "dlq", "redrive", "celery"]
    command += ["--task", REDRIVEN, "--yes", "--visibility-timeout", str(HIDDEN_SECONDS)]
    process = subprocess.Popen(command, cwd=HERE, env=project.environment())
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (sent := project.messages("celery")[0]) < 100 and process.poll() is None:
        assert time.monotonic() < deadline
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was over before it could be killed"
    return sent


def test_a_thousand_dead_letters(project: Project, tmp_path: Path) -> None:
    client = project.client()
    good, poison = send_poison_among_good(client)
    with project.worker(pool="threads", concurrency=8):
        dead = project.wait_for_messages((POISON, 0), "celery-dead-letter", LONG_SECONDS)
        assert dead == (POISON, 0)
        sums = [result.get(timeout=PATIENCE_SECONDS) for result in good]
    assert sums == [number + 1 for number in range(POISON) if number % 10 < 3]

    (listed,) = run_json(client, "list")["queues"]
    assert (listed["visible"], listed["in_flight"]) == (POISON, 0)
    shown = run_json(client, "show", "celery", "--limit", str(2 * POISON))["messages"]
    assert {each["id"]: each["task"] for each in shown} == poison
    assert len(shown) == POISON
    failed = [each for each in shown if each["task"] == DROPPED]
    assert all(each["error"] == f"LookupError: {each['args'][2:-3]}" for each in failed)
    some = run_json(client, "show", "celery", "--error", "lookuperror: poison 10", "--limit", "99")
    assert len(some["messages"]) == len([n for n in range(0, POISON, 2) if str(n)[:2] == "10"])
    assert project.messages("celery-dead-letter") == (POISON, 0)

    sent = killed_redrive(project)
    assert 100 <= sent < POISON // 2
    # What it had received comes back by itself.
    dead = project.messages("celery-dead-letter")
    assert dead[1] > 0
    left = project.wait_for_messages((sum(dead), 0), "celery-dead-letter", 2 * HIDDEN_SECONDS)
    assert left == (sum(dead), 0)
    redriven = run_json(client, "redrive", "celery", "--task", REDRIVEN, "--yes")
    assert (redriven["left"], redriven["maybe_twice"]) == ([], [])

    archive = tmp_path / "dropped.jsonl"
    arguments = ["drop", "celery", "--task", DROPPED, "--archive", str(archive)]
    dropped = run(client, *arguments, typed=f"{POISON // 2}\n")
    assert dropped.stdout == f"{POISON // 2} message(s) deleted\n"

    assert project.messages("celery-dead-letter") == (0, 0)
    back = ids_in(project, "celery")
    assert {*back} == {task_id for task_id, task in poison.items() if task == REDRIVEN}
    assert back.total() - len(back) <= 10, "more than one request's messages are there twice"
    lines = [json.loads(line) for line in archive.read_text().splitlines()]
    assert sorted(each["task_id"] for each in lines) == sorted(
        task_id for task_id, task in poison.items() if task == DROPPED
    )
