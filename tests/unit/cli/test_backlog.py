"""``backlog``: what autoscaling goes by."""

import json
from typing import Any

import pytest

from celery_aws.names import QueueName
from tests.unit.cli.conftest import Shop


@pytest.fixture
def busy(shop: Shop) -> Shop:
    """A shop with six messages that are ready, and others that are not."""
    for number in range(8):
        shop.app.send_task("shop.mail", task_id=str(number))
    shop.app.send_task("shop.mail", countdown=100)
    shop.app.send_task("shop.mail", countdown=10_000)
    url = shop.sqs.queue_url(QueueName("celery"))
    shop.sqs.receive(url, max_messages=2, wait_seconds=0, visibility_timeout_seconds=60)
    return shop


def backlog(shop: Shop, *arguments: str) -> Any:
    ended = shop.run("backlog", "--json", *arguments)
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_only_what_a_worker_could_receive(busy: Shop) -> None:
    found = backlog(busy, "--workers", "4", "--task-seconds", "2")

    expected = {
        "ready": 6,
        "workers": 4,
        "slots": 4,
        "backlog_per_worker": 1.5,
        "tasks_a_second": 2.0,
        "drain_seconds": 3.0,
    }
    assert found == {"queues": [{"queue": "celery", **expected}], "total": expected}


def test_without_workers_all_of_it_and_no_time(busy: Shop) -> None:
    (found,) = backlog(busy, "--workers", "0")["queues"]

    assert (found["backlog_per_worker"], found["drain_seconds"]) == (6, None)


def test_for_people(busy: Shop) -> None:
    ended = busy.run("backlog", "--workers", "2", "--task-seconds", "60")

    assert "PER WORKER" in ended.stderr
    assert ended.stdout.splitlines() == [
        "celery  6      2        2      3           3 min",
        "in all  6      2        2      3           3 min",
    ]


def test_only_the_queues_that_are_named(busy: Shop) -> None:
    busy.app.send_task("shop.mail", queue="reports")

    found = backlog(busy, "--workers", "1", "--queue", "reports")

    assert [each["queue"] for each in found["queues"]] == ["reports"]
    assert found["total"]["ready"] == 1


def test_a_queue_that_is_not_there(busy: Shop) -> None:
    ended = busy.run("backlog", "--workers", "1", "--queue", "nothing")

    assert ended.exit_code == 2
    assert "not on SQS (yet): nothing" in ended.stderr


def test_dead_letters_are_not_asked_for(busy: Shop) -> None:
    before = busy.sqs.count("GetQueueAttributes")

    backlog(busy, "--workers", "1")

    assert busy.sqs.count("GetQueueAttributes") == before + 1


@pytest.mark.parametrize("other", [["--task-seconds", "1"], ["--workers", "1"]])
def test_a_sample_is_of_the_workers(busy: Shop, other: list[str]) -> None:
    assert busy.run("backlog", "--sample", "5", *other).exit_code == 2
