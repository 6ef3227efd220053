"""``dlq list``, ``show``: what is told, and that looking takes nothing."""

import json
from typing import Any

import pytest
from celery.exceptions import NotRegistered
from kombu import Queue

from celery_aws.core.large_messages import POINTER_ATTRIBUTES
from celery_aws.errors import AccessDeniedError
from celery_aws.names import QueueName
from celery_aws.testing.clock import FakeClock
from tests.unit.cli.conftest import BUCKET, DEAD, Graveyard


def test_queues_with_what_leads_to_them(graveyard: Graveyard) -> None:
    graveyard.shop.app.conf.task_queues = [Queue("celery"), Queue("mail", max_priority=9)]
    graveyard.bury("one", "two")
    graveyard.bury("three", queue="mail", priority=9)

    found = graveyard.json("list", "--peek")["queues"]

    assert [(each["name"], each["visible"], each["queues"]) for each in found] == [
        ("celery-dead-letter", 2, ["celery"]),
        ("mail-dead-letter", 1, ["mail"]),
    ]
    assert found[0]["sources"] == ["celery"]
    assert found[1]["sources"] == ["mail", "mail-priority-3", "mail-priority-6", "mail-priority-9"]
    assert found[0]["oldest_seen"] == "2026-03-14T15:09:26.535897+00:00"
    assert graveyard.hidden() == 0
    listed = graveyard.run("list")
    assert "celery-dead-letter  2         0          celery" in listed.stdout
    assert "QUEUE" in listed.stderr


def test_a_queue_of_another_app_that_leads_here_is_told(graveyard: Graveyard) -> None:
    graveyard.bury("one")
    sqs = graveyard.shop.sqs
    policy = sqs.queue_attributes(sqs.queue_url(QueueName("celery")), ["RedrivePolicy"])
    sqs.create_queue(QueueName("other"), policy, {})

    (found,) = graveyard.json("list")["queues"]

    assert (found["sources"], found["queues"]) == (["celery", "other"], ["celery"])
    assert found["all_sources_known"] is True


def test_who_may_not_ask_what_leads_here_is_told_the_apps_own(graveyard: Graveyard) -> None:
    graveyard.bury("one")
    graveyard.shop.sqs.faults.fail("ListDeadLetterSourceQueues", AccessDeniedError("no"))

    (found,) = graveyard.json("list")["queues"]

    assert (found["sources"], found["all_sources_known"]) == (["celery"], False)


def test_without_any(graveyard: Graveyard) -> None:
    ended = graveyard.run("list")

    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "None of the app's queues has a dead-letter queue" in ended.stderr


@pytest.mark.parametrize("name", ["celery", "celery-dead-letter"])
def test_what_lies_there(graveyard: Graveyard, clock: FakeClock, name: str) -> None:
    graveyard.bury("one", "two")
    clock.advance(60)

    ended = graveyard.run("show", name)

    assert ended.exit_code == 0, ended.output
    assert ended.stdout.splitlines() == [
        "2026-03-14T15:09:26Z  shop.mail  one  1         0        -",
        "2026-03-14T15:09:26Z  shop.mail  two  1         0        -",
    ]
    assert "2 shown; celery-dead-letter has about 2" in ended.stderr
    assert graveyard.ids() == ["one", "two"]
    assert graveyard.hidden() == 0


def test_everything_that_is_known(graveyard: Graveyard) -> None:
    graveyard.bury("one")

    (found,) = graveyard.json("show", "celery")["messages"]

    assert {name: found[name] for name in ("id", "task", "args", "kwargs", "retries")} == {
        "id": "one",
        "task": "shop.mail",
        "args": "['you']",
        "kwargs": "{'copy': 1}",
        "retries": 0,
    }
    assert found["source"].endswith(":celery")
    assert (found["published_to"], found["receive_count"]) == ("celery", 1)
    assert found["sent_at"] == "2026-03-14T15:09:26.535897+00:00"
    shown = graveyard.run("show", "celery", "--long").stdout
    assert "args                          ['you']\n" in shown


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["--task", "shop.*"], ["one", "three", "two"]),
        (["--task", "shop.mail"], ["one", "two"]),
        (["--task", "MAIL"], []),
        (["--id", "one", "--id", "three"], ["one", "three"]),
        (["--since", "2026-03-14T15:10"], ["junk", "three"]),
        (["--until", "2026-03-14T15:10"], ["one", "two"]),
        (["--limit", "1"], ["one"]),
        (["--error", "no task"], ["junk"]),
    ],
)
def test_only_those_that_are_wanted(
    graveyard: Graveyard, clock: FakeClock, arguments: list[str], ids: list[str]
) -> None:
    graveyard.bury("one", "two")
    clock.advance(60)
    graveyard.bury("three", task="shop.pay")
    graveyard.send("junk")

    found = graveyard.json("show", "celery", *arguments)["messages"]

    assert sorted(each["id"] or "junk" for each in found) == ids
    assert graveyard.hidden() == 0
    assert len(graveyard.shop.sqs.messages(DEAD)) == 4


def test_what_the_result_says_went_wrong(graveyard: Graveyard) -> None:
    app = graveyard.shop.app
    app.conf.result_backend = "cache+memory://"
    graveyard.bury("one", "two", "three")
    app.backend.store_result("one", ValueError("no such order"), "FAILURE")
    app.backend.store_result("two", NotRegistered("shop.mail"), "FAILURE")
    app.backend.store_result("three", 7, "SUCCESS")

    found = graveyard.json("show", "celery")["messages"]
    some = graveyard.json("show", "celery", "--error", "such ORDER")["messages"]

    assert [each["error"] for each in found] == [
        "ValueError: no such order",
        "NotRegistered: 'shop.mail'",
        None,
    ]
    assert [each["id"] for each in some] == ["one"]


def test_a_large_message_is_read_from_s3(graveyard: Graveyard) -> None:
    graveyard.shop.options(large_message_bucket=BUCKET, large_message_threshold_bytes=10)
    graveyard.bury("one")

    (found,) = graveyard.json("show", "celery")["messages"]

    assert (found["id"], found["task"], found["problem"]) == ("one", "shop.mail", None)
    assert found["s3"].startswith(f"s3://{BUCKET}/")


def test_an_object_that_is_gone_is_said(graveyard: Graveyard) -> None:
    graveyard.shop.options(large_message_bucket=BUCKET)
    graveyard.bury("one")
    pointer = ["software.amazon.payloadoffloading.PayloadS3Pointer"]
    body = json.dumps([*pointer, {"s3BucketName": BUCKET, "s3Key": "celery-messages/gone"}])
    size: dict[str, Any] = {"DataType": "Number", "StringValue": "7"}
    graveyard.send(body, message_attributes={POINTER_ATTRIBUTES[0]: size})

    found = graveyard.json("show", "celery")["messages"]

    assert found[1]["id"] is None
    assert "its body is not read" in found[1]["problem"]


def test_a_dead_letter_queue_with_one_of_its_own_is_asked_about(graveyard: Graveyard) -> None:
    graveyard.bury("one")
    sqs = graveyard.shop.sqs
    last = sqs.create_queue(QueueName("last"), {}, {})
    policy = {"deadLetterTargetArn": sqs.queue_attributes(last, ["QueueArn"])["QueueArn"]}
    chained = json.dumps({**policy, "maxReceiveCount": 5})
    sqs.create_queue(QueueName("chained-dead"), {"RedrivePolicy": chained}, {})

    refused = graveyard.run("show", "chained-dead", typed="n\n")
    granted = graveyard.run("show", "chained-dead", "--yes")

    assert refused.exit_code == 1
    assert "after 5 receives SQS moves a message on" in refused.stderr
    assert granted.exit_code == 0


def test_of_a_fifo_queue_the_first_of_each_group_are_seen(graveyard: Graveyard) -> None:
    for number in range(12):
        graveyard.shop.app.send_task(
            "shop.mail", task_id=f"{number:02}", queue="orders.fifo", MessageGroupId="a"
        )
    graveyard.shop.app.send_task("shop.mail", task_id="b", queue="orders.fifo", MessageGroupId="b")
    graveyard.poison(QueueName("orders.fifo"))

    ended = graveyard.run("show", "orders-dead-letter.fifo")

    assert [line.split()[2] for line in ended.stdout.splitlines()] == [
        *(f"{number:02}" for number in range(10)),
        "b",
    ]
    assert "only the first messages can be received" in ended.stderr
    assert "11 shown; orders-dead-letter.fifo has about 13" in ended.stderr


def test_messages_in_flight_are_told(graveyard: Graveyard) -> None:
    graveyard.bury("one")
    url = graveyard.shop.sqs.queue_url(DEAD)
    graveyard.shop.sqs.receive(url, max_messages=1, wait_seconds=0, visibility_timeout_seconds=60)

    ended = graveyard.run("show", "celery")

    assert "1 message(s) are in flight" in ended.stderr
    assert ended.stdout == ""


def test_a_queue_that_is_not_there(graveyard: Graveyard) -> None:
    ended = graveyard.run("show", "nothing")

    assert ended.exit_code == 3
    assert "nothing" in ended.stderr


def test_a_time_that_is_none(graveyard: Graveyard) -> None:
    since = ["--since", "2026-03-14T16:00", "--until", "2026-03-14T15:00"]

    assert graveyard.run("show", "celery", *since).exit_code == 2
