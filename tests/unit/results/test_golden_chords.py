"""The items of a chord, kept in files: workers of other releases meet them in the table.

``tests/golden/results/chord_*`` are a chord of 66 parts whose clock stands still, at four moments.
A change there means that running fleets meet a new format.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Context
from celery.canvas import Signature
from celery.result import AsyncResult

from celery_aws.core.attributes import Item, text
from celery_aws.core.chords import Layout, Part
from celery_aws.results import DynamoDBBackend, chord_ledger
from celery_aws.results.chord_ledger import Claim, Outcome
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import TABLE

GOLDEN = Path(__file__).parents[2] / "golden" / "results"
KEY = b"chord-unlock-g"
LAYOUT = Layout(size=66)


def load(name: str) -> list[Item]:
    stored: list[dict[str, Any]] = json.loads((GOLDEN / f"chord_{name}.json").read_text())
    return [
        {
            attribute: {"B": base64.b64decode(value["B"])} if "B" in value else value
            for attribute, value in item.items()
        }
        for item in stored
    ]


def items(service: MemoryTableService) -> list[Item]:
    return sorted(service.items(TABLE), key=lambda item: str(item["id"]))


@pytest.fixture(autouse=True)
def _tokens_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chord_ledger, "uuid", lambda: "the-token")


def record(backend: DynamoDBBackend, *indexes: int) -> list[Claim | Outcome]:
    parts = [Part(index=index, task_id=f"task-{index}") for index in indexes]
    return [backend.ledger.record(KEY, part, LAYOUT) for part in parts]


def test_what_we_write_is_what_the_files_say(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    body = Signature("body", options={"task_id": "the-body"})
    header = [AsyncResult(f"task-{index}", app=app) for index in range(66)]
    backend.apply_chord(("g", header), body)
    backend.add_to_chord("g", AsyncResult("task-66", app=app))
    assert items(service) == load("begun")
    failed = Context(id="task-64", group="g", group_index=64, chord=dict(body))
    backend.on_chord_part_return(failed, "FAILURE", KeyError("k"))
    record(backend, 0)
    assert items(service) == load("in_parts")
    [*_, claim] = record(backend, *range(1, 64), 65, 66)
    assert isinstance(claim, Claim)
    assert items(service) == load("claimed")
    backend.ledger.finish(claim, [KEY + b"/64:task-64"])
    assert items(service) == load("done")


def test_a_chord_of_another_worker_is_finished(
    backend: DynamoDBBackend, service: MemoryTableService
) -> None:
    for item in load("in_parts"):
        service.put_item(TABLE, item)
    [*_, claim] = record(backend, *range(1, 64), 65, 66)
    assert isinstance(claim, Claim)
    assert [part.index for part in backend.ledger.parts(claim)] == list(range(67))


def test_a_chord_that_another_worker_has_finished_is_finished(
    backend: DynamoDBBackend, service: MemoryTableService
) -> None:
    [done] = load("done")
    service.put_item(TABLE, done)
    assert record(backend, 3) == [Outcome.NOTHING]
    assert done["id"] == text(repr(KEY))
