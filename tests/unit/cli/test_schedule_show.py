import json
from datetime import timedelta

import pytest

from celery_aws.core.attributes import binary
from celery_aws.core.scheduled_items import MESSAGE
from celery_aws.testing.clock import FakeClock
from tests.unit.cli.conftest import BUCKET, TABLE, Shop

HOUR = 3_600


def test_everything_is_shown(shop: Shop, clock: FakeClock) -> None:
    shop.send(HOUR, expires=clock.now() + timedelta(hours=2), retries=2)
    ended = shop.schedule("show", "one")
    assert ended.exit_code == 0
    shown = dict(line.split("  ", 1) for line in ended.stdout.splitlines())
    shown = {name: value.strip() for name, value in shown.items()}
    url = shown.pop("queue url")
    assert url.endswith("/celery")
    size_bytes = int(shown.pop("size bytes"))
    assert 500 < size_bytes < 2_000
    expected = {
        "id": "one",
        "task": "shop.mail",
        "due": "2026-03-14T16:09:26Z (1 h)",
        "to SQS from": "2026-03-14T15:54:26Z",
        "queue": "celery",
        "parts": "0",
        "protocol": "2",
        "content type": "application/json",
        "args": "['you']",
        "kwargs": "{'copy': 1}",
        "retries": "2",
        "expires": "2026-03-14T17:09:26.535897+00:00",
        "header id": "one",
        "header eta": "2026-03-14T16:09:26.535897+00:00",
    }
    assert {name: shown[name] for name in expected} == expected


def test_json(shop: Shop) -> None:
    shop.send(HOUR, queue="orders.fifo", MessageGroupId="g")
    (task,) = shop.schedule_json("show", "one")["tasks"]
    assert task["id"] == "one"
    assert task["message_group_id"] == "g"
    assert task["message_deduplication_id"] == "one"
    assert task["to_sqs_from"] == "2026-03-14T16:09:25.535897+00:00"
    assert task["headers"]["task"] == "shop.mail"
    assert task["s3"] is None


def test_no_secret_of_the_broker_is_shown(shop: Shop) -> None:
    shop.send(HOUR)
    output = shop.schedule("show", "one").output + shop.schedule("show", "one", "--json").output
    assert "secret" not in output
    assert "KEY" not in output


def test_all_of_one_id_are_shown_by_time(shop: Shop) -> None:
    shop.send(2 * HOUR, queue="later")
    shop.send(HOUR, queue="sooner")
    assert shop.schedule("show", "one").stdout.count("shop.mail\n") >= 2
    tasks = shop.schedule_json("show", "one")["tasks"]
    assert [task["queue"] for task in tasks] == ["sooner", "later"]


def test_what_is_not_parked_is_exit_code_1_and_the_rest_is_shown(shop: Shop) -> None:
    shop.send(HOUR)
    ended = shop.schedule("show", "one", "two", "--json")
    assert ended.exit_code == 1
    assert [task["id"] for task in json.loads(ended.stdout)["tasks"]] == ["one"]
    assert "two: not parked (any more)" in ended.stderr
    assert "AsyncResult.revoke() reaches it if it was parked before" in ended.stderr
    assert "one: not" not in ended.stderr


def test_an_eta_narrows_the_search(shop: Shop) -> None:
    for hour in range(1, 50):
        shop.send(hour * HOUR, task_id=f"task-{hour}")
    shop.tables.requests.clear()
    assert shop.schedule("show", "task-1", "--due", "2026-03-14T16:09:26").exit_code == 0
    assert shop.tables.requests["Query"] <= 2 + 3
    assert shop.schedule("show", "task-1", "--due", "2026-03-14T17:09:26Z").exit_code == 1


@pytest.mark.parametrize("protocol", [1, 2])
def test_a_pickle_is_shown_and_never_opened(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    shop.app.conf.task_protocol = protocol
    shop.send(HOUR, serializer="pickle")

    def opened(*_: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr("pickle.loads", opened)
    monkeypatch.setattr("pickle.Unpickler", opened)
    (task,) = shop.schedule_json("show", "one")["tasks"]
    assert task["content_type"] == "application/x-python-serialize"
    assert task["args"] == ("['you']" if protocol == 2 else None)


def test_long_arguments_are_shown_as_their_sender_cut_them(shop: Shop) -> None:
    shop.app.send_task("shop.mail", ["x" * 5_000], countdown=HOUR, task_id="one")
    (task,) = shop.schedule_json("show", "one")["tasks"]
    assert task["size_bytes"] > 5_000
    assert len(task["args"]) < 1_100


def test_what_cannot_be_read_is_shown_as_far_as_it_can(shop: Shop) -> None:
    shop.send(HOUR)
    (entry,) = (item for item in shop.tables.items(TABLE) if MESSAGE in item)
    shop.tables.put_item(TABLE, {**entry, MESSAGE: binary(b"junk")})
    (task,) = shop.schedule_json("show", "one")["tasks"]
    assert task["problem"].startswith("the message is unreadable")
    assert "problem" in shop.schedule("show", "one").stdout


def test_what_is_in_s3_is_shown_as_where_it_is(shop: Shop) -> None:
    shop.options(large_message_bucket=BUCKET, large_message_threshold_bytes=1_000)
    shop.app.send_task("shop.mail", ["x" * 5_000], countdown=HOUR, task_id="one")
    (task,) = shop.schedule_json("show", "one")["tasks"]
    assert task["s3"].startswith(f"s3://{BUCKET}/")
    assert task["task"] == "shop.mail"
    assert task["args"] is None
    assert shop.schedule("show", "one").stdout.count("s3://") == 1
    (key,) = shop.s3.objects(BUCKET)

    assert shop.schedule("run-now", "one", "--yes").exit_code == 0
    (other,) = shop.s3.objects(BUCKET)
    assert other != key
