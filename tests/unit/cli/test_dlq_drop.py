"""``dlq drop``: nothing goes without its confirmation."""

import json
import stat
from pathlib import Path
from typing import Any

import click
import pytest

from celery_aws.errors import ThrottledError, UnreachableError
from tests.unit.cli.conftest import BUCKET, DEAD, Graveyard


def test_its_number_has_to_be_typed(graveyard: Graveyard) -> None:
    graveyard.bury("one", "two")
    graveyard.bury("three", task="shop.pay")

    for typed in ("2\n", "y\n", "yes\n"):
        refused = graveyard.run("drop", "celery", "--all", typed=typed)
        assert refused.exit_code == 1
    assert "Will delete 3 message(s) of celery-dead-letter:\n  2  shop.mail\n" in refused.stderr
    assert graveyard.ids() == ["one", "three", "two"]
    assert graveyard.hidden() == 0

    granted = graveyard.run("drop", "celery", "--all", typed="3\n")
    assert (granted.exit_code, granted.stdout) == (0, "3 message(s) deleted\n")
    assert graveyard.ids() == []


@pytest.mark.parametrize("arguments", [[], ["--all", "--id", "one"]])
def test_nobody_means_all_by_saying_nothing(graveyard: Graveyard, arguments: list[str]) -> None:
    graveyard.bury("one")

    assert graveyard.run("drop", "celery", "--yes", *arguments).exit_code == 2
    assert graveyard.ids() == ["one"]


def test_only_those_that_are_wanted(graveyard: Graveyard) -> None:
    graveyard.bury(*(f"{number:02}" for number in range(25)))
    graveyard.bury("pay", task="shop.pay")

    ended = graveyard.run("drop", "celery", "--task", "shop.mail", "--limit", "20", "--yes")

    assert ended.exit_code == 0
    assert graveyard.ids() == [*(f"{number:02}" for number in range(20, 25)), "pay"]
    assert graveyard.hidden() == 0


def test_what_comes_after_the_count_stays(
    graveyard: Graveyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    graveyard.bury("one", "two")
    prompt = click.prompt

    def slow_prompt(text: str, **options: Any) -> Any:
        graveyard.bury("three")
        return prompt(text, **options)

    monkeypatch.setattr(click, "prompt", slow_prompt)
    ended = graveyard.run("drop", "celery", "--all", typed="2\n")

    assert ended.exit_code == 0, ended.output
    assert graveyard.ids() == ["three"]


def test_of_a_fifo_queue_as_many_as_were_confirmed(graveyard: Graveyard) -> None:
    graveyard.fifo(*(f"{number:02}" for number in range(25)), group="a")

    refused = graveyard.run("drop", "orders.fifo", "--all", typed="24\n")
    granted = graveyard.run("drop", "orders.fifo", "--all", "--limit", "12", typed="12\n")

    assert refused.exit_code == 1
    assert granted.stdout == "12 message(s) deleted\n"
    assert graveyard.ids("orders-dead-letter.fifo") == [f"{number:02}" for number in range(12, 25)]


def test_objects_go_with_their_messages(graveyard: Graveyard) -> None:
    graveyard.shop.options(large_message_bucket=BUCKET, large_message_threshold_bytes=10)
    graveyard.bury("one", "two")
    kept = {*graveyard.shop.s3.objects(BUCKET)}

    graveyard.run("drop", "celery", "--id", "one", "--yes")

    (key,) = graveyard.shop.s3.objects(BUCKET)
    assert key in kept
    assert graveyard.json("show", "celery")["messages"][0]["id"] == "two"


def test_they_are_written_down_first(graveyard: Graveyard, tmp_path: Path) -> None:
    archive = tmp_path / "dead.jsonl"
    graveyard.shop.options(large_message_bucket=BUCKET, large_message_threshold_bytes=1_000)
    graveyard.bury("one", "two" * 500)
    attributes = {
        "tenant": {"DataType": "String", "StringValue": "7"},
        "key": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    graveyard.send("junk", message_attributes=attributes)

    report = graveyard.json("drop", "celery", "--all", "--yes", "--archive", str(archive))

    assert report == {"queue": DEAD, "deleted": 3, "archive": str(archive), "left": []}
    lines = [json.loads(line) for line in archive.read_text().splitlines()]
    first, second, third = lines
    assert (first["task_id"], first["task"], first["queue"]) == ("one", "shop.mail", DEAD)
    assert json.loads(first["body"])["headers"]["id"] == "one"
    assert first["source"].endswith(":celery")
    assert (first["s3"], first["stored_body"]) == (None, None)
    assert second["s3"]["bucket"] == BUCKET
    assert json.loads(second["stored_body"])["headers"]["id"] == "two" * 500
    assert third["message_attributes"] == {
        "tenant": {"DataType": "String", "StringValue": "7"},
        "key": {"DataType": "Binary", "BinaryValue": "AP8="},
    }
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert graveyard.shop.s3.objects(BUCKET) == {}


def test_an_archive_is_continued(graveyard: Graveyard, tmp_path: Path) -> None:
    archive = tmp_path / "dead.jsonl"
    graveyard.bury("one", "two")

    for task_id in ("one", "two"):
        graveyard.run("drop", "celery", "--id", task_id, "--yes", "--archive", str(archive))

    lines = [json.loads(line)["task_id"] for line in archive.read_text().splitlines()]
    assert lines == ["one", "two"]


def test_what_cannot_be_written_down_stays(graveyard: Graveyard, tmp_path: Path) -> None:
    graveyard.bury("one")

    ended = graveyard.run(
        "drop", "celery", "--all", "--yes", "--archive", str(tmp_path / "no" / "dead.jsonl")
    )

    assert ended.exit_code == 2
    assert "dead.jsonl cannot be written: No such file or directory" in ended.stderr
    assert graveyard.ids() == ["one"]
    assert graveyard.hidden() == 0


def test_what_is_in_s3_and_cannot_be_read_stays(graveyard: Graveyard, tmp_path: Path) -> None:
    graveyard.shop.options(large_message_bucket=BUCKET, large_message_threshold_bytes=10)
    graveyard.bury("one")
    for _ in range(2):
        graveyard.shop.s3.faults.fail("GetObject", UnreachableError("no answer"))

    report = graveyard.json(
        "drop", "celery", "--all", "--yes", "--archive", str(tmp_path / "dead"), exit_code=1
    )

    assert (report["deleted"], report["left"][0]["id"]) == (0, None)
    assert len(graveyard.shop.sqs.messages(DEAD)) == 1


def test_a_busy_sqs_is_asked_again(graveyard: Graveyard) -> None:
    graveyard.bury("one")
    graveyard.shop.sqs.faults.fail("DeleteMessageBatch", ThrottledError("slow down"), times=2)

    assert graveyard.run("drop", "celery", "--all", "--yes").exit_code == 0
    assert graveyard.ids() == []


def test_what_is_not_deleted_is_told(graveyard: Graveyard) -> None:
    graveyard.bury("one", "two")
    graveyard.shop.sqs.faults.refuse_entries(
        "DeleteMessageBatch", code="AccessDenied", sender_fault=True
    )

    report = graveyard.json("drop", "celery", "--all", "--yes", exit_code=1)

    assert (report["deleted"], [each["id"] for each in report["left"]]) == (1, ["one"])
    assert graveyard.ids() == ["one"]


def test_nothing_that_matches(graveyard: Graveyard) -> None:
    graveyard.bury("one")

    ended = graveyard.run("drop", "celery", "--task", "shop.pay")

    assert (ended.exit_code, ended.stdout) == (0, "0 message(s) deleted\n")
    assert graveyard.ids() == ["one"]
