"""The quarantine file: everything that is needed to send a message later, whoever was killed."""

import base64
import json
import os
import stat
from datetime import datetime, timezone
from pathlib import Path

import pytest

from celery_aws.errors import ConfigurationError
from celery_aws.migrate.messages import Carried, Fate, Unreadable
from celery_aws.migrate.quarantine import Quarantine, Quarantined
from celery_aws.names import AmqpQueue

NOW = datetime(2026, 11, 23, 14, 55, tzinfo=timezone.utc)
GOLDEN = Path(__file__).parents[2] / "golden" / "migrate/quarantine.jsonl"

READABLE = Quarantined(
    message=Carried(
        key="celery/tag",
        queue=AmqpQueue("celery"),
        priority=3,
        envelope={
            "body": "W10=",
            "content-type": "application/json",
            "headers": {"id": "id-1", "task": "shop.mail"},
            "properties": {"body_encoding": "base64"},
        },
    ),
    fate=Fate.REVOKED,
    reason="its task was revoked",
)
POISON = Quarantined(
    message=Unreadable(
        key="celery/poison", queue=AmqpQueue("celery"), raw=b"\x00\xff{", reason="no JSON"
    ),
    fate=Fate.QUARANTINED,
    reason="no JSON",
)


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine.beside(tmp_path / "journal.sqlite", source="redis://one/0")


def test_it_is_written_as_ever(quarantine: Quarantine) -> None:
    quarantine.add([READABLE, POISON], now=NOW)

    assert quarantine.path.read_text() == GOLDEN.read_text()


def test_a_message_can_be_made_of_its_line(quarantine: Quarantine) -> None:
    quarantine.add([READABLE], now=NOW)
    quarantine.add([POISON], now=NOW)

    readable, poison = quarantine.lines()

    assert json.loads(base64.b64decode(readable["raw"])) == READABLE.message.envelope  # type: ignore[union-attr]
    assert base64.b64decode(poison["raw"]) == POISON.message.raw  # type: ignore[union-attr]
    assert (readable["task_id"], readable["priority"], poison["form"]) == ("id-1", 3, "bytes")


def test_half_a_line_of_one_who_was_killed_spoils_no_other(quarantine: Quarantine) -> None:
    quarantine.add([READABLE], now=NOW)
    with quarantine.path.open("ab") as file:
        file.write(quarantine.path.read_bytes()[:50])
    quarantine.add([POISON], now=NOW)

    assert [line["key"] for line in quarantine.lines()] == ["celery/tag", "celery/poison"]


def test_it_is_on_the_disk_before_anything_else_happens(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_mode))

    quarantine.add([READABLE], now=NOW)
    quarantine.add([POISON], now=NOW)

    # The file and, as it is new, its folder; then the file.
    assert [stat.S_ISDIR(mode) for mode in synced] == [False, True, False]


def test_only_its_owner_may_read_it(quarantine: Quarantine) -> None:
    quarantine.add([READABLE], now=NOW)

    assert stat.S_IMODE(quarantine.path.stat().st_mode) == 0o600


def test_without_messages_there_is_no_file(quarantine: Quarantine) -> None:
    quarantine.add([], now=NOW)

    assert not quarantine.path.exists()
    assert list(quarantine.lines()) == []


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    quarantine = Quarantine.beside(tmp_path / "missing" / "journal.sqlite", source="redis://")

    with pytest.raises(ConfigurationError, match="cannot be written"):
        quarantine.add([READABLE], now=NOW)
