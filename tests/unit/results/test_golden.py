"""Every stored format, kept in files: what stock wrote, and what we write.

``tests/golden/results/stock_*`` are items that Celery's own backend stored, of the version in
the name; they only ever get company. ``ours_*`` are written by this package with the clock
standing still; a change there means that running fleets meet a new format.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult, GroupResult

from celery_aws.core.attributes import Item
from celery_aws.results import DynamoDBBackend
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import TABLE, Stock

GOLDEN = Path(__file__).parents[2] / "golden" / "results"
WRITERS = ["stock_5_5", "stock_5_7", "ours"]


def load(name: str) -> Item:
    stored: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return {
        attribute: {"B": base64.b64decode(value["B"])} if "B" in value else value
        for attribute, value in stored.items()
    }


def by_id(items: list[Item]) -> dict[str, Item]:
    return {item["id"]["S"]: item for item in items}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writers_items_are_read(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService, writer: str
) -> None:
    for name in ("success", "success_with_ttl", "failure", "started", "group", "chord_counter"):
        service.put_item(TABLE, load(f"{writer}_{name}"))
    assert AsyncResult("success", app=app).get() == {"answer": 42, "text": "é"}
    assert AsyncResult("ttl", app=app).get() == [1, 2, 3]
    failure = AsyncResult("failure", app=app)
    assert (failure.state, failure.result.args) == ("FAILURE", ("missing",))
    assert failure.traceback.endswith("KeyError: 'missing'\n")
    started = AsyncResult("started", app=app)
    assert (started.state, started.result["pid"]) == ("STARTED", 7)
    group = GroupResult.restore("group", backend=backend, app=app)
    assert group.join() == [{"answer": 42, "text": "é"}, [1, 2, 3]]
    assert backend.incr(backend.get_key_for_chord("chord")) == 2


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writers_states_are_respected(
    backend: DynamoDBBackend, service: MemoryTableService, writer: str
) -> None:
    for name in ("success", "started"):
        service.put_item(TABLE, load(f"{writer}_{name}"))
    backend.mark_as_failure("success", KeyError("late"))
    backend.mark_as_failure("started", KeyError("k"))
    assert backend.get_state("success") == "SUCCESS"
    assert backend.get_state("started") == "FAILURE"


def test_what_we_write_is_what_the_files_say(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    traceback = "Traceback (most recent call last):\n  ...\nKeyError: 'missing'\n"
    backend.store_result("success", {"answer": 42, "text": "é"}, "SUCCESS")
    backend.store_result("ttl", [1, 2, 3], "SUCCESS")
    backend.store_result("failure", KeyError("missing"), "FAILURE", traceback=traceback)
    backend.store_result("started", {"pid": 7, "hostname": "w@h"}, "STARTED")
    members = [AsyncResult("success", app=app), AsyncResult("ttl", app=app)]
    GroupResult("group", members, app=app).save(backend=backend)
    backend.store.start_count(backend.get_key_for_chord("chord"), life_seconds=86400)
    backend.incr(backend.get_key_for_chord("chord"))
    written = [load(path.stem) for path in GOLDEN.glob("ours_*.json")]
    assert by_id(service.items(TABLE)) == by_id(written)


@pytest.mark.parametrize("name", ["success", "failure", "started", "group"])
def test_stocks_code_finds_in_ours_what_it_asks_for(stock: Stock, name: str) -> None:
    found = stock.backend._item_to_dict({"Item": load(f"ours_{name}")})
    assert set(found) == {"id", "result", "timestamp"}
    assert stock.backend.decode(found["result"])


@pytest.mark.parametrize("name", ["success", "success_with_ttl", "failure", "started", "group"])
def test_our_item_is_stocks_item_and_a_status(name: str) -> None:
    ours, stocks = load(f"ours_{name}"), load(f"stock_5_7_{name}")
    own = {"ttl"} if name == "group" else {"ttl", "status"}
    assert set(ours) | {"ttl"} == set(stocks) | own
    assert ours["id"] == stocks["id"]
