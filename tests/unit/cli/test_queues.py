"""``queues``: how many messages are where."""

import json
from typing import Any

import pytest
from kombu import Queue

from celery_aws.core.messages import OutgoingMessage
from celery_aws.errors import AccessDeniedError, TemporaryError
from celery_aws.names import QueueName
from celery_aws.testing.clock import FakeClock
from tests.unit.cli.conftest import Graveyard, Shop

HOUR = 3_600


def rows(shop: Shop, *arguments: str) -> dict[str, Any]:
    ended = shop.run("queues", "--json", *arguments)
    assert ended.exit_code == 0, ended.output
    return {row.pop("queue"): row for row in json.loads(ended.stdout)["queues"]}


def test_each_queue_with_all_of_its_priorities(graveyard: Graveyard) -> None:
    shop = graveyard.shop
    shop.app.conf.task_queues = [Queue("celery"), Queue("mail", max_priority=9), Queue("none")]
    graveyard.bury("dead", "buried")
    for task_id in ("one", "two", "three"):
        shop.app.send_task("shop.mail", task_id=task_id)
    shop.app.send_task("shop.mail", task_id="later", countdown=100)
    shop.app.send_task("shop.mail", queue="mail")
    shop.app.send_task("shop.mail", queue="mail", priority=9)
    url = shop.sqs.queue_url(QueueName("celery"))
    shop.sqs.receive(url, max_messages=1, wait_seconds=0, visibility_timeout_seconds=60)

    found = rows(shop)

    assert {name: row["dead_letters"] for name, row in found.items()} == {
        "celery": 2,
        "mail": 0,
        "none": None,
    }
    counts = ("visible", "in_flight", "delayed")
    assert [found["celery"][name] for name in counts] == [2, 1, 1]
    assert [found["mail"][name] for name in counts] == [2, 0, 0]
    assert found["mail"]["sqs_queues"] == {
        "mail": 1,
        "mail-priority-3": 0,
        "mail-priority-6": 0,
        "mail-priority-9": 1,
    }
    assert [found["none"][name] for name in counts] == [None, None, None]
    shown = shop.run("queues")
    assert shown.stdout.splitlines()[0].split() == ["celery", "2", "1", "1", "2"]
    assert shown.stdout.splitlines()[2].split() == ["none", "-", "-", "-", "-"]


def test_parked_tasks(shop: Shop) -> None:
    shop.send(0.0)
    shop.send(HOUR, task_id="two")
    shop.send(HOUR, task_id="three", queue="reports")
    shop.send(HOUR, task_id="four", queue="reports", priority=9)
    # Whoever asks has not sent them.
    del shop.app.amqp.queues["reports"]

    found = rows(shop, "--parked")

    assert {name: row["parked"] for name, row in found.items()} == {"celery": 1, "reports": 2}
    assert found["reports"]["visible"] is None
    assert "PARKED" in shop.run("queues", "--parked").stderr


def test_dead_letters_that_may_not_be_seen(graveyard: Graveyard) -> None:
    graveyard.bury("one")
    rows(graveyard.shop)

    def refuse(operation: str, *, times: int) -> None:
        graveyard.shop.sqs.faults.fail(operation, AccessDeniedError("no"), times=times)

    refuse("GetQueueUrl", times=1)

    # The queue's own URL is known to this process; only that of its dead letters is asked for.
    assert rows(graveyard.shop)["celery"]["dead_letters"] is None


def test_it_goes_on_until_somebody_stops_it(
    shop: Shop, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.send(0.0)
    url = shop.sqs.queue_url(QueueName("celery"))

    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            raise KeyboardInterrupt
        shop.sqs.send(url, OutgoingMessage(body="one more"))
        if len(pauses) == 2:
            shop.sqs.faults.fail("GetQueueAttributes", TemporaryError("busy"), times=1)

    monkeypatch.setattr(clock, "sleep", sleep)

    ended = shop.run("queues", "--watch", "5", "--json")

    assert ended.exit_code == 0
    lines = [json.loads(line)["queues"][0]["visible"] for line in ended.stdout.splitlines()]
    assert pauses == [5.0] * 4
    assert lines == [1, 2, 4]
    assert "Asking again: busy" in ended.stderr
