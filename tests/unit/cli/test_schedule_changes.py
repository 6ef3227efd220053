"""``schedule cancel`` and ``schedule run-now``: what they ask, do and say."""

import base64
import json
from random import Random
from typing import Any

import pytest

from celery_aws.core.envelope import load_envelope
from celery_aws.errors import AccessDeniedError
from celery_aws.names import QueueName
from celery_aws.table.revocations import Revocations
from celery_aws.testing.clock import FakeClock
from tests.unit.cli.conftest import TABLE, Shop

HOUR = 3_600
QUEUE = QueueName("celery")


def in_queue(shop: Shop, queue: QueueName = QUEUE) -> list[dict[str, Any]]:
    """Return the messages that a worker could receive now."""
    return [load_envelope(each.body) for each in shop.sqs.messages(queue)]


@pytest.mark.parametrize(
    ("command", "plan"), [("cancel", "Will cancel:"), ("run-now", "Will send now:")]
)
def test_it_asks_first(shop: Shop, command: str, plan: str) -> None:
    shop.send(HOUR)
    refused = shop.schedule(command, "one", typed="n\n")
    assert refused.exit_code == 1
    assert plan in refused.stderr
    assert "2026-03-14T16:09:26Z  1 h  shop.mail  one  celery" in refused.stderr
    assert refused.stdout == ""
    assert shop.ids() == ["one"]
    assert in_queue(shop) == []
    assert "DeleteItem" not in shop.tables.requests

    granted = shop.schedule(command, "one", typed="y\n")
    assert granted.exit_code == 0
    assert shop.ids() == []


def test_cancelled(shop: Shop) -> None:
    shop.send(HOUR)
    shop.send(HOUR, task_id="two")
    ended = shop.schedule("cancel", "one", "--yes")
    assert ended.exit_code == 0
    assert ended.stdout == "one  celery  cancelled\n"
    assert shop.ids() == ["two"]
    assert in_queue(shop) == []
    with shop.app.connection_for_write() as connection:
        revocations: Revocations = connection.transport.coordination.revocations
        assert revocations.among(["one", "two"]) == {"one"}


def test_sent_without_its_eta(shop: Shop) -> None:
    shop.send(HOUR)
    ended = shop.schedule("run-now", "one", "--yes")
    assert ended.exit_code == 0
    assert ended.stdout == "one  celery  sent\n"
    assert shop.ids() == []
    (message,) = in_queue(shop)
    assert message["headers"]["id"] == "one"
    assert message["headers"]["eta"] is None
    (stored,) = shop.sqs.messages(QUEUE)
    assert stored.visible_at == stored.sent_at


@pytest.mark.parametrize("command", ["cancel", "run-now"])
def test_all_of_one_id_and_several_ids(shop: Shop, command: str) -> None:
    shop.send(HOUR)
    shop.send(2 * HOUR, queue="orders.fifo")
    shop.send(HOUR, task_id="two")
    ended = shop.schedule(command, "one", "two", "three", "--yes", "--json")
    assert ended.exit_code == 1
    assert "three: not parked (any more)" in ended.stderr
    tasks = json.loads(ended.stdout)["tasks"]
    assert sorted((task["id"], task["queue"]) for task in tasks) == [
        ("one", "celery"),
        ("one", "orders.fifo"),
        ("two", "celery"),
    ]
    assert {task["outcome"] for task in tasks} == {"removed" if command == "cancel" else "sent"}
    assert shop.ids() == []


def test_what_its_mover_may_be_sending_may_run_twice(shop: Shop, clock: FakeClock) -> None:
    shop.send(HOUR)
    clock.advance(HOUR - 800)
    ended = shop.schedule("run-now", "one", "--yes")
    assert ended.exit_code == 0
    assert "so it may run twice" in ended.stdout


def test_what_cannot_lose_its_eta_is_refused_and_the_rest_is_sent(shop: Shop) -> None:
    shop.app.conf.task_protocol = 1
    shop.send(HOUR, task_id="pickled", serializer="pickle")
    shop.send(2 * HOUR, task_id="json")
    ended = shop.schedule("run-now", "pickled", "json", "--yes", "--json")
    assert ended.exit_code == 1
    assert "shop.mail[pickled] cannot run before its time" in ended.stderr
    tasks = json.loads(ended.stdout)["tasks"]
    assert [(task["id"], task["outcome"]) for task in tasks] == [
        ("pickled", "refused"),
        ("json", "sent"),
    ]
    assert shop.ids() == ["pickled"]


def test_what_was_done_before_aws_refused_is_told(shop: Shop) -> None:
    shop.send(HOUR)
    shop.send(2 * HOUR, task_id="two")
    shop.send(3 * HOUR, task_id="three")
    shop.schedule("list")

    original = shop.tables.delete_item
    calls = []

    def delete_item(*arguments: Any, **options: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise AccessDeniedError("no", service="dynamodb", operation="DeleteItem")
        original(*arguments, **options)

    shop.tables.delete_item = delete_item  # type: ignore[method-assign]
    ended = shop.schedule("cancel", "one", "two", "three", "--yes")
    assert ended.exit_code == 3
    assert ended.stdout == "one  celery  cancelled\n"
    assert "dynamodb DeleteItem" in ended.stderr
    assert shop.ids() == ["two", "three"]


def test_what_sqs_may_not_have_stays(shop: Shop) -> None:
    shop.send(HOUR)
    shop.sqs.faults.lose_reply("SendMessage")
    ended = shop.schedule("run-now", "one", "--yes")
    assert ended.exit_code == 3
    assert shop.ids() == ["one"]
    assert shop.schedule("run-now", "one", "--yes").exit_code == 0
    # Twice, and not lost.
    assert [message["headers"]["id"] for message in in_queue(shop)] == ["one", "one"]


def test_a_large_task_leaves_no_parts(shop: Shop) -> None:
    for task_id in ("one", "two"):
        # What zlib cannot make smaller: 600,000 characters of base 64 each.
        body = _noise(600_000)
        shop.app.send_task("shop.mail", [body], countdown=HOUR, task_id=task_id, argsrepr="")
    parts = [item for item in shop.tables.items(TABLE) if item["pk"]["S"].startswith("part#")]
    assert len(parts) >= 4
    assert shop.schedule("cancel", "one", "--yes").exit_code == 0
    assert shop.schedule("run-now", "two", "--yes").exit_code == 0
    left = [item["pk"]["S"].partition("#")[0] for item in shop.tables.items(TABLE)]
    assert "part" not in left
    (message,) = in_queue(shop)
    assert len(message["body"]) > 600_000


def _noise(length: int) -> str:
    return base64.b64encode(Random(7).randbytes(length))[:length].decode()
