"""The stored formats of large results, kept in files; a file holds all items of one result.

What is compressed is compared as what it unpacks to: zlib may get better.
"""

import base64
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult

from celery_aws.core import large_results
from celery_aws.core.attributes import Item, binary
from celery_aws.names import BucketName, ObjectKey
from celery_aws.results import DynamoDBBackend, result_objects, store
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_s3 import MemoryS3
from tests.unit.results.conftest import TABLE, MakeBackend, Stock

GOLDEN = Path(__file__).parents[2] / "golden" / "results"
BUCKET = BucketName("my-bucket")
IDENTIFIER = "01234567-89ab-cdef-0123-456789abcdef"
OPTIONS = "large_result_bucket=my-bucket&large_result_prefix=results/"

#: What the task of each file returned; all are of the task "large".
RETURNED = {"in_item": "row;" * 40, "in_pieces": "row;" * 40, "in_s3": "row;" * 40}

#: What the object of the file for S3 has in it.
STORED = zlib.compress(
    b'{"status": "SUCCESS", "result": "' + b"row;" * 40 + b'", "traceback": null, "children": '
    b'null, "date_done": "2026-03-14T15:09:26.535897+00:00", "task_id": "large"}'
)


def load(name: str) -> list[Item]:
    stored: list[dict[str, Any]] = json.loads((GOLDEN / f"large_{name}.json").read_text())
    return [
        {
            attribute: {"B": base64.b64decode(value["B"])} if "B" in value else value
            for attribute, value in item.items()
        }
        for item in stored
    ]


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3(BUCKET)


@pytest.fixture
def backend(make_backend: MakeBackend, s3: MemoryS3) -> DynamoDBBackend:
    return make_backend(OPTIONS, objects=s3)


@pytest.mark.parametrize("name", RETURNED)
def test_every_format_is_read(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService, s3: MemoryS3, name: str
) -> None:
    for item in load(name):
        service.put_item(TABLE, item)
    s3.put(BUCKET, ObjectKey(f"results/{IDENTIFIER}"), STORED)
    assert AsyncResult("large", app=app).get() == RETURNED[name]
    backend.mark_as_failure("large", KeyError("late"))
    assert backend.get_state("large") == "SUCCESS"
    AsyncResult("large", app=app).forget()
    assert service.items(TABLE) == []
    assert (s3.objects(BUCKET) == {}) is (name == "in_s3")


@pytest.mark.parametrize("name", RETURNED)
def test_what_we_write_is_what_the_files_say(
    backend: DynamoDBBackend,
    service: MemoryTableService,
    s3: MemoryS3,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    # Small ones, so that the files are.
    room = 150 if name == "in_item" else 0
    monkeypatch.setattr(store, "room_bytes", lambda _: room)
    monkeypatch.setattr(large_results, "PIECE_BYTES", 100)
    monkeypatch.setattr(result_objects, "uuid", lambda: IDENTIFIER)
    backend.store = replace(backend.store, new_version=lambda: IDENTIFIER)
    if name == "in_pieces":
        backend.store = replace(backend.store, objects=result_objects.NO_OBJECTS)
        monkeypatch.setattr(zlib, "compress", lambda content: content)
    backend.store_result("large", RETURNED[name], "SUCCESS")
    written = service.items(TABLE)
    assert [unpacked(item) for item in written] == [unpacked(item) for item in load(name)]
    if name == "in_s3":
        assert s3.objects(BUCKET).keys() == {f"results/{IDENTIFIER}"}
        assert list(map(zlib.decompress, s3.objects(BUCKET).values())) == [zlib.decompress(STORED)]


@pytest.mark.parametrize("name", RETURNED)
def test_celerys_own_backend_finds_no_result(stock: Stock, name: str) -> None:
    found = stock.backend._item_to_dict({"Item": load(name)[-1]})
    assert found["result"] == b"", "which its base class takes for none: PENDING"


def unpacked(item: Item) -> Item:
    if "content" not in item:
        return item
    return {**item, "content": binary(zlib.decompress(item["content"]["B"]))}
