"""What is kept in the coordination table, in files: running fleets read what they find there.

``tests/golden/schedule`` has items in DynamoDB's typed JSON, binary as base64. What is compressed
is compared by its content: another zlib may make other bytes of it.
"""

import base64
import json
import zlib
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from celery_aws.core import scheduled_items
from celery_aws.core.attributes import Item
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_messages import mark_again, mark_parked, maybe_sent_before
from celery_aws.core.schedule import STANDARD, ScheduledTask
from celery_aws.core.scheduled_items import MESSAGE
from celery_aws.names import AmqpQueue, QueueUrl, TableName
from celery_aws.table import leases
from celery_aws.table import schedule as schedule_module
from celery_aws.table.coordination import SPEC, CoordinationTable
from celery_aws.table.leases import LeaderLease
from celery_aws.table.revocations import Revocations
from celery_aws.table.schedule import Schedule
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

FOLDER = Path(__file__).parents[2] / "golden" / "schedule"
TABLE = TableName("celery-coordination")
TOKEN = "5f0f6c55-98ad-4f7c-8e0c-d7e3f1f2a9b4"
TASK_ID = "0d54e3cf-6d2c-4f0f-9f4b-1c6d8e2a7b30"
DUE = datetime(2026, 3, 17, 15, 9, 26, 535897, tzinfo=timezone.utc)

#: So that a file with parts is no megabyte.
PART_BYTES = 150

TASK = ScheduledTask(
    task_id=TASK_ID,
    task="shop.mail",
    due=DUE,
    send_after=DUE - timedelta(seconds=900),
    queue=AmqpQueue("orders.fifo"),
    queue_url=QueueUrl("https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo"),
    message=mark_parked(
        OutgoingMessage(
            body='{"body": "W1sieW91Il0sIHt9LCB7fV0=", "headers": {"task": "shop.mail"}}',
            message_group_id="customer-7",
            message_deduplication_id=TASK_ID,
            message_attributes={
                "trace": {"DataType": "Binary", "BinaryValue": bytes(range(32))},
                "tenant": {"DataType": "String", "StringValue": "é"},
            },
        ),
        TASK_ID,
    ),
)
PLAIN = replace(
    TASK,
    task=None,
    queue=AmqpQueue("celery"),
    queue_url=QueueUrl("https://sqs.eu-west-1.amazonaws.com/123456789012/celery"),
    message=OutgoingMessage(body="{}"),
)


def load(name: str) -> list[Item]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text())
    return [
        {
            attribute: {"B": base64.b64decode(value["B"])} if "B" in value else value
            for attribute, value in item.items()
        }
        for item in found
    ]


def readable(items: list[Item]) -> list[Any]:
    """Return items in the order of their keys, with what they compress in plain text."""
    parts = [item for item in items if MESSAGE in item]
    ordered = sorted(parts, key=lambda item: str(item["sk"]["S"]))
    packed = b"".join(item[MESSAGE]["B"] for item in ordered)
    bare = [{k: v for k, v in item.items() if k != MESSAGE} for item in items]
    content = [zlib.decompress(packed).decode()] if packed else []
    return [*sorted(bare, key=lambda item: str(sorted(item.items()))), *content]


@pytest.fixture
def service(clock: FakeClock) -> MemoryTableService:
    service = MemoryTableService(clock=clock)
    service.create_table(TABLE, SPEC)
    return service


@pytest.fixture
def table(service: MemoryTableService, clock: FakeClock) -> CoordinationTable:
    return CoordinationTable(service=service, name=TABLE, creates=True, clock=clock)


@pytest.fixture
def _known_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "uuid", lambda: TOKEN)
    monkeypatch.setattr(schedule_module, "uuid", lambda: TOKEN)


def stored(service: MemoryTableService, kind: str) -> list[Item]:
    marker = f"schedule#{STANDARD.name}"
    return [
        item for item in service.items(TABLE) if (item["pk"]["S"] == marker) == (kind == "marker")
    ]


@pytest.mark.parametrize(("name", "task"), [("entry", TASK), ("entry_plain", PLAIN)])
@pytest.mark.usefixtures("_known_tokens")
def test_entries_and_markers_are_written_as_the_files_say(
    table: CoordinationTable, service: MemoryTableService, name: str, task: ScheduledTask
) -> None:
    Schedule(table).park(task, STANDARD)

    assert readable(stored(service, "entry")) == readable(load(name))
    assert stored(service, "marker") == load("marker")


def test_parts_are_written_as_the_file_says(
    table: CoordinationTable, service: MemoryTableService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduled_items, "PART_BYTES", PART_BYTES)
    Schedule(table).park(TASK, STANDARD)

    assert readable(stored(service, "entry")) == readable(load("entry_in_parts"))


@pytest.mark.parametrize(
    ("name", "task"), [("entry", TASK), ("entry_plain", PLAIN), ("entry_in_parts", TASK)]
)
def test_the_files_are_found_read_and_removed(
    table: CoordinationTable, service: MemoryTableService, name: str, task: ScheduledTask
) -> None:
    for item in [*load(name), *load("marker")]:
        service.put_item(TABLE, item)
    schedule = Schedule(table)

    (marker,) = schedule.markers(STANDARD, until=task.send_after)
    ((entry,),) = schedule.entries(marker.shard, until=task.send_after)
    assert schedule.task_of(entry) == task
    assert marker.token == TOKEN

    schedule.remove([entry])
    assert schedule.is_empty(marker.shard)
    schedule.unmark(marker)
    assert service.items(TABLE) == []


@pytest.mark.usefixtures("_known_tokens")
def test_a_lease_is_written_as_the_file_says(
    table: CoordinationTable, service: MemoryTableService
) -> None:
    assert new_lease(table).contend()

    assert service.items(TABLE) == load("lease")


def test_the_lease_of_the_file_is_respected(
    table: CoordinationTable, service: MemoryTableService, clock: FakeClock
) -> None:
    service.put_item(TABLE, *load("lease"))
    lease = new_lease(table)

    assert not lease.contend()
    clock.advance(119)
    assert not lease.contend()
    clock.advance(1)
    assert lease.contend()
    assert lease.taken_over


def test_a_revocation_is_written_as_the_file_says_and_read(
    table: CoordinationTable, service: MemoryTableService
) -> None:
    Revocations(table=table).add([TASK_ID])

    assert service.items(TABLE) == load("revocation")
    assert Revocations(table=table).among([TASK_ID, "another"]) == {TASK_ID}


def test_the_mark_is_what_the_file_says() -> None:
    first, again = json.loads((FOLDER / "marks.json").read_text())
    marked = mark_parked(OutgoingMessage(body="{}"), TASK_ID)

    assert marked.message_attributes == first
    assert mark_again(marked).message_attributes == again
    assert (maybe_sent_before(first), maybe_sent_before(again)) == (False, True)


def test_there_is_a_file_for_every_kind() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {
        "entry",
        "entry_in_parts",
        "entry_plain",
        "lease",
        "marker",
        "marks",
        "revocation",
    }


def new_lease(table: CoordinationTable) -> LeaderLease:
    return LeaderLease(
        table, "mover-standard", owner="shop-7f:4711", duration_seconds=120.0, renew_seconds=45.0
    )
