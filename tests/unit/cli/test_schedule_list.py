import json

import pytest

from celery_aws.testing.clock import FakeClock
from tests.unit.cli.conftest import Shop

HOUR = 3_600
DAY = 24 * HOUR


def test_a_row_says_when_what_and_where(shop: Shop) -> None:
    shop.send(3 * DAY + 4 * HOUR, task_id="far")
    shop.send(HOUR, task_id="near", queue="bills")
    ended = shop.schedule("list")
    assert ended.exit_code == 0
    assert ended.stdout == (
        "2026-03-14T16:09:26Z  1 h      shop.mail  near  bills\n"
        "2026-03-17T19:09:26Z  3 d 4 h  shop.mail  far   celery\n"
    )
    # Words, beside the data.
    assert ended.stderr == "DUE (UTC)             IN       TASK       ID    QUEUE\n"


def test_what_sqs_can_delay_is_not_parked(shop: Shop) -> None:
    shop.send(2, task_id="now")
    shop.send(900, task_id="delayed")
    ended = shop.schedule("list")
    assert ended.exit_code == 0
    assert ended.stdout == ""
    assert "Nothing of that is parked in the table celery-coordination." in ended.stderr


def test_json_has_every_digit(shop: Shop) -> None:
    shop.send(HOUR)
    assert shop.schedule_json("list") == {
        "tasks": [
            {
                "id": "one",
                "task": "shop.mail",
                "due": "2026-03-14T16:09:26.535897+00:00",
                "in_seconds": 3600.0,
                "queue": "celery",
            }
        ],
        "next": None,
    }


def test_what_is_late_says_so(shop: Shop, clock: FakeClock) -> None:
    shop.send(HOUR)
    clock.advance(HOUR + 75)
    assert "1 min 15 s ago" in shop.schedule("list").stdout
    assert shop.schedule_json("list")["tasks"][0]["in_seconds"] == -75


def test_pages_by_token(shop: Shop) -> None:
    ids = [shop.send(HOUR + number, task_id=f"task-{number}") for number in range(5)]
    ended = shop.schedule("list", "--limit", "2")
    (token,) = [line.split()[-1] for line in ended.stderr.splitlines() if "--after" in line]
    assert ended.stdout.count("\n") == 2
    second = shop.schedule_json("list", "--limit", "2", "--after", token)
    assert [task["id"] for task in second["tasks"]] == ids[2:4]
    last = shop.schedule_json("list", "--limit", "2", "--after", second["next"])
    assert [task["id"] for task in last["tasks"]] == ids[4:]
    assert last["next"] is None


def test_filters(shop: Shop) -> None:
    shop.send(HOUR, task_id="near")
    shop.send(DAY, task_id="far", queue="bills")
    assert shop.ids("--queue", "bills") == ["far"]
    assert shop.ids("--task", "shop.mail") == ["near", "far"]
    assert shop.ids("--task", "shop.other") == []
    assert shop.ids("--from", "2026-03-14T16:10") == ["far"]
    assert shop.ids("--until", "2026-03-14T16:10") == ["near"]
    # Naive is UTC, and an offset counts.
    assert shop.ids("--until", "2026-03-14T16:10+01:00") == []
    assert shop.ids("--from", "2026-03-15", "--until", "2026-03-16") == ["far"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "tomorrow"], "no ISO 8601 time"),
        (["--from", "2026-03-15", "--until", "2026-03-15"], "--from must be before --until"),
        (["--after", "junk"], "no token"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_what_makes_no_sense_is_an_error_of_usage(
    shop: Shop, arguments: list[str], words: str
) -> None:
    ended = shop.schedule("list", *arguments)
    assert ended.exit_code == 2
    assert words in ended.stderr
    assert not shop.tables.requests


def test_counts(shop: Shop) -> None:
    for number in range(3):
        shop.send(HOUR + number, task_id=f"task-{number}")
    shop.send(DAY, task_id="far", queue="bills.fifo")
    ended = shop.schedule("counts")
    assert ended.exit_code == 0
    assert ended.stdout == "2026-03-14T16:00:00Z  3\n2026-03-15T15:00:00Z  1\n"
    assert ended.stderr == "In all: 4\n"
    as_json = shop.schedule("counts", "--queue", "bills.fifo", "--json")
    assert json.loads(as_json.stdout) == {"hours": {"2026-03-15T15:00:00Z": 1}, "total": 1}
