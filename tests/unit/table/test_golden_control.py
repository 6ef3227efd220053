"""What processes leave for each other for remote control and events, in files.

A fleet runs several versions at a time. ``tests/golden/control`` has bodies of SQS messages as they
are sent, and items in DynamoDB's typed JSON, binary as base64. What is compressed is compared by
its content: another zlib may make other bytes of it.
"""

import base64
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from celery_aws.core import parcels, reply_items
from celery_aws.core.attributes import Item
from celery_aws.core.inbox_items import InboxRecord
from celery_aws.core.packed_text import unpack_text
from celery_aws.core.parcels import Parcel, ParcelItem, pack, unpack
from celery_aws.core.reply_items import MESSAGE, reply_messages
from celery_aws.core.routing import Binding
from celery_aws.names import AmqpQueue, InboxId, QueueUrl, TableName
from celery_aws.table.bindings import Bindings
from celery_aws.table.coordination import SPEC, CoordinationTable
from celery_aws.table.inboxes import Inboxes
from celery_aws.table.mailboxes import Mailboxes
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

FOLDER = Path(__file__).parents[2] / "golden" / "control"
TABLE = TableName("celery-coordination")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)

INBOX = InboxId("0d54e3cf6d2c4f0f9f4b1c6d8e2a7b30")
URL = QueueUrl(f"https://sqs.eu-west-1.amazonaws.com/123456789012/shop-celery-inbox-{INBOX}.fifo")
OID = "9ba68e41-747e-3a4d-b7f4-46e3f1b82dd6"
TOKENS = ("7c9e6679-7425-40de-944b-e07fc1f90ae7", "b3a1f0de-51e2-4d0c-8f31-0f0e7c2a9d11")

#: So that a file is small.
PLAIN_CHARACTERS = 200
PART_BYTES = 150


def virtual_message(exchange: str, routing_key: str, body: Any, **headers: Any) -> dict[str, Any]:
    return {
        "body": json.dumps(body),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            "delivery_mode": 1,
            "delivery_info": {"exchange": exchange, "routing_key": routing_key},
            "priority": 0,
            "body_encoding": "utf-8",
            "delivery_tag": "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d",
        },
    }


COMMAND = virtual_message(
    "celery.pidbox",
    "",
    {
        "method": "rate_limit",
        "arguments": {"task_name": "shop.mail", "rate_limit": "10/m"},
        "destination": ["celery@shop-7f"],
        "ticket": "t",
        "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": OID},
    },
    clock=7,
    expires=1_795_348_801.5,
)
EVENT = virtual_message(
    "celeryev",
    "worker.heartbeat",
    {"type": "worker-heartbeat", "hostname": "celery@shop-é", "freq": 15, "clock": 8},
    hostname="celery@shop-é",
)
# kombu's JSON has types.
TYPED = {**EVENT, "headers": {"at": NOON}}
REPLY = virtual_message(
    "reply.celery.pidbox",
    OID,
    {"celery@shop-7f": {"ok": "new rate limit set successfully"}},
    clock=9,
)

PLAIN = Parcel(items=(ParcelItem(tokens=TOKENS[:1], message=COMMAND),))
COMPRESSED = Parcel(
    items=(
        ParcelItem(tokens=TOKENS, message=EVENT),
        ParcelItem(tokens=TOKENS[1:], message=TYPED),
    )
)
CHANGED = Parcel(changed=("celeryev", "news"))

TRANSIENT = Binding(
    exchange="celery.pidbox",
    kind="fanout",
    queue=AmqpQueue("celery@shop-7f.celery.pidbox"),
    routing_key="",
    inbox=INBOX,
    inbox_url=URL,
    token=TOKENS[0],
)
DURABLE = Binding(
    exchange="shop/ü~" * 60,  # too long for a key
    kind="topic",
    queue=AmqpQueue("orders"),
    routing_key="orders.*.#",
)
RECORD = InboxRecord(
    inbox=INBOX,
    url=URL,
    owner="shop-7f:4711",
    version="5f0f6c55-98ad-4f7c-8e0c-d7e3f1f2a9b4",
    duration_seconds=600.0,
    bindings=("celery.pidbox/celery%40shop-7f.celery.pidbox//0d54e3cf6d2c4f0f9f4b1c6d8e2a7b30",),
)


def body_of(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text().strip()


def items_of(name: str) -> list[Item]:
    found: list[dict[str, Any]] = json.loads(body_of(name))
    return [
        {
            attribute: {"B": base64.b64decode(value["B"])} if "B" in value else value
            for attribute, value in item.items()
        }
        for item in found
    ]


def content(body: str) -> Any:
    """Return what a parcel says, and whether that was compressed."""
    said = json.loads(body)
    if "zlib" not in said:
        return said
    return "compressed", json.loads(unpack_text(base64.b64decode(said["zlib"])))


def readable(items: list[Item]) -> list[Any]:
    """Return items, with what they compress in plain text."""
    bare = [{k: v for k, v in item.items() if k != MESSAGE} for item in items]
    packed = b"".join(item[MESSAGE]["B"] for item in items if MESSAGE in item)
    return [*bare, json.loads(unpack_text(packed))] if packed else bare


@pytest.fixture
def clock() -> FakeClock:
    clock = FakeClock()
    clock.advance((NOON - clock.now()) / timedelta(seconds=1))
    return clock


@pytest.fixture
def service(clock: FakeClock) -> MemoryTableService:
    service = MemoryTableService(clock=clock)
    service.create_table(TABLE, SPEC)
    return service


@pytest.fixture
def table(service: MemoryTableService, clock: FakeClock) -> CoordinationTable:
    return CoordinationTable(service=service, name=TABLE, creates=False, clock=clock)


PARCELS = pytest.mark.parametrize(
    ("name", "parcel"),
    [("parcel", PLAIN), ("parcel_compressed", COMPRESSED), ("parcel_changed", CHANGED)],
)


@PARCELS
def test_parcels_are_sent_as_the_files_say(
    name: str, parcel: Parcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "parcel_compressed":
        monkeypatch.setattr(parcels, "PLAIN_CHARACTERS", PLAIN_CHARACTERS)

    assert content(pack(parcel)) == content(body_of(name))


@PARCELS
def test_the_parcels_of_the_files_are_read(name: str, parcel: Parcel) -> None:
    assert unpack(body_of(name)) == parcel


BINDINGS = pytest.mark.parametrize(
    ("name", "binding"), [("binding", TRANSIENT), ("binding_durable", DURABLE)]
)


@BINDINGS
def test_bindings_are_written_as_the_files_say(
    name: str, binding: Binding, table: CoordinationTable, service: MemoryTableService
) -> None:
    Bindings(table=table).put(binding)

    assert service.items(TABLE) == items_of(name)


@BINDINGS
def test_the_bindings_of_the_files_are_found_and_removed(
    name: str, binding: Binding, table: CoordinationTable, service: MemoryTableService
) -> None:
    (item,) = items_of(name)
    service.put_item(TABLE, item)
    bindings = Bindings(table=table)

    assert bindings.of(binding.exchange) == [binding]
    assert bindings.of(binding.exchange, binding.queue) == [binding]
    bindings.remove([item["sk"]["S"]])
    assert service.items(TABLE) == []


def test_an_inbox_is_written_as_the_file_says(
    table: CoordinationTable, service: MemoryTableService
) -> None:
    Inboxes(table=table).put(RECORD)

    assert service.items(TABLE) == items_of("inbox")


def test_the_inbox_of_the_file_is_found_and_removed(
    table: CoordinationTable, service: MemoryTableService
) -> None:
    service.put_item(TABLE, *items_of("inbox"))
    inboxes = Inboxes(table=table)

    assert inboxes.all() == [RECORD]
    assert inboxes.remove(RECORD.inbox, version=RECORD.version)
    assert service.items(TABLE) == []


@pytest.mark.parametrize("name", ["reply", "reply_in_parts"])
def test_replies_are_written_as_the_files_say(
    name: str,
    table: CoordinationTable,
    service: MemoryTableService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if name == "reply_in_parts":
        monkeypatch.setattr(reply_items, "PART_BYTES", PART_BYTES)
    Mailboxes(table=table).put(OID, REPLY)

    assert readable(service.items(TABLE)) == readable(items_of(name))


@pytest.mark.parametrize("name", ["reply", "reply_in_parts"])
def test_the_replies_of_the_files_are_read_and_removed(
    name: str, table: CoordinationTable, service: MemoryTableService
) -> None:
    for item in items_of(name):
        service.put_item(TABLE, item)

    found, used = reply_messages(Mailboxes(table=table).read(OID))

    assert found == [REPLY]
    Mailboxes(table=table).remove(used)
    assert service.items(TABLE) == []


def test_there_is_a_file_for_every_kind() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {
        "binding",
        "binding_durable",
        "inbox",
        "parcel",
        "parcel_changed",
        "parcel_compressed",
        "reply",
        "reply_in_parts",
    }
