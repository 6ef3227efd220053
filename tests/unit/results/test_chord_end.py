"""The end of a chord, when it does not go as it should."""

from typing import Any

import pytest
from celery.app.task import Context
from celery.canvas import Signature
from celery.result import AsyncResult, GroupResult

from celery_aws.core.attributes import text_of
from celery_aws.core.chords import Layout, Part
from celery_aws.errors import AccessDeniedError
from celery_aws.results import DynamoDBBackend
from celery_aws.results.chord_end import LAYOUT, ChordEnd
from celery_aws.results.chord_items import part_key, shard_key
from celery_aws.results.chord_ledger import CLAIM_SECONDS, Claim
from celery_aws.results.items import key_item
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import TABLE, FrozenApp

KEY = b"chord-unlock-g"


@pytest.fixture
def sent(app: FrozenApp) -> list[tuple[Any, dict[str, Any]]]:
    """Return what bodies were sent with."""
    sent: list[tuple[Any, dict[str, Any]]] = []

    class Body(app.Task):  # type: ignore[name-defined]
        name = "body"

        def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> None:
            sent.append((args[0], options))

    app.register_task(Body())
    return sent


def a_request(size: int = 0, **more: Any) -> Context:
    options = {"task_id": "the-body", LAYOUT: {"size": size}}
    body = Signature("body", options=options)
    return Context(id="task-0", group="g", group_index=0, chord=dict(body), **more)


def claimed(backend: DynamoDBBackend, size: int, *, is_nested: bool = False) -> Claim:
    """Record all parts of a chord, without their values."""
    backend.ledger.begin(KEY, size=size, is_nested=is_nested)
    for index in range(size):
        part = Part(index=index, task_id=f"task-{index}")
        found = backend.ledger.record(KEY, part, Layout(size=size))
    assert isinstance(found, Claim)
    return found


def store(backend: DynamoDBBackend, size: int) -> None:
    for index in range(size):
        backend.store_result(f"task-{index}", index, "SUCCESS")


def error_of_the_body(app: FrozenApp) -> str:
    result = AsyncResult("the-body", app=app)
    return f"{result.state} {result.result}"


def test_the_body_is_sent_without_the_layout_which_the_request_keeps(
    backend: DynamoDBBackend, sent: list[Any]
) -> None:
    store(backend, 2)
    request = a_request(2)
    ChordEnd(backend, claimed(backend, 2), request).reach()
    [(values, options)] = sent
    assert values == [0, 1]
    assert options["task_id"] == "the-body"
    assert LAYOUT not in options
    assert LAYOUT in request.chord["options"]


def test_parts_that_have_expired_are_an_error_and_not_a_shorter_list(
    backend: DynamoDBBackend, app: FrozenApp, service: MemoryTableService, sent: list[Any]
) -> None:
    store(backend, 100)
    claim = claimed(backend, 100)
    service.delete_item(TABLE, key_item(shard_key(KEY, "i2")))
    ChordEnd(backend, claim, a_request(100)).reach()
    assert sent == []
    assert "FAILURE 3 of its parts have expired" in error_of_the_body(app)


def test_a_result_that_is_gone_is_an_error(
    backend: DynamoDBBackend, app: FrozenApp, sent: list[Any]
) -> None:
    store(backend, 1)
    ChordEnd(backend, claimed(backend, 2), a_request()).reach()
    assert sent == []
    assert "Dependency task-1: its result no longer exists" in error_of_the_body(app)


def test_a_structure_that_is_gone_is_an_error(
    backend: DynamoDBBackend, app: FrozenApp, sent: list[Any]
) -> None:
    store(backend, 2)
    ChordEnd(backend, claimed(backend, 2, is_nested=True), a_request()).reach()
    assert sent == []
    assert "GroupResult g no longer exists" in error_of_the_body(app)


def test_who_has_lost_the_claim_sends_nothing(
    backend: DynamoDBBackend, app: FrozenApp, clock: FakeClock, sent: list[Any]
) -> None:
    store(backend, 2)
    slow = ChordEnd(backend, claimed(backend, 2), a_request())
    backend.ledger.record(KEY, Part(index=1, task_id="task-1"), Layout())
    slow.reach()
    assert sent == []
    assert clock.monotonic() == CLAIM_SECONDS


def test_who_has_lost_the_claim_tells_no_error(
    backend: DynamoDBBackend, app: FrozenApp, sent: list[Any]
) -> None:
    """Its successor has sent the body and deleted what it looks for."""
    slow = ChordEnd(backend, claimed(backend, 2), a_request())
    store(backend, 2)
    quick = backend.ledger.record(KEY, Part(index=1, task_id="task-1"), Layout())
    assert isinstance(quick, Claim)
    ChordEnd(backend, quick, a_request()).reach()
    for index in range(2):
        backend.delete(backend.get_key_for_task(f"task-{index}"))
    slow.reach()
    assert len(sent) == 1
    assert error_of_the_body(app) == "PENDING None"


def test_a_body_that_cannot_be_sent_is_an_error(
    backend: DynamoDBBackend, app: FrozenApp, service: MemoryTableService
) -> None:
    class Body(app.Task):  # type: ignore[name-defined]
        name = "body"

        def apply_async(self, *_: Any, **__: Any) -> None:
            raise OSError("no broker")

    app.register_task(Body())
    store(backend, 1)
    ChordEnd(backend, claimed(backend, 1), a_request()).reach()
    assert "Callback error: OSError('no broker')" in error_of_the_body(app)
    assert [item for item in service.items(TABLE) if "done" in item]


def test_an_end_that_cannot_be_written_down_does_not_fail_the_task(
    backend: DynamoDBBackend,
    service: MemoryTableService,
    sent: list[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store(backend, 1)
    claim = claimed(backend, 1)
    service.fail_next("PutItem", AccessDeniedError("no", service="dynamodb"))
    ChordEnd(backend, claim, a_request()).reach()
    assert len(sent) == 1
    assert "could not be written down" in caplog.text


def test_of_a_task_twice_in_the_header_nothing_is_left(
    backend: DynamoDBBackend, service: MemoryTableService, sent: list[Any]
) -> None:
    backend.apply_chord(("g", [AsyncResult("t", app=backend.app)] * 2), Signature("body"))
    for index in range(2):
        request = a_request(ignore_result=True)
        request.update(id="t", group_index=index)
        backend.mark_as_done("t", 5, request=request)
    assert [values for values, _ in sent] == [[5, 5]]
    assert [text_of(item, "id") for item in service.items(TABLE)] == [repr(str(KEY))[1:-1]]


def test_of_groups_in_the_header_no_structure_is_left(
    backend: DynamoDBBackend, app: FrozenApp, service: MemoryTableService, sent: list[Any]
) -> None:
    inner = GroupResult("inner", [AsyncResult(f"task-{n}", app=app) for n in range(2)], app=app)
    backend.apply_chord(("g", [inner]), Signature("body"))
    backend.set_chord_size("g", 2)
    for index in range(2):
        request = a_request(ignore_result=True)
        request.update(id=f"task-{index}", group_index=index)
        backend.mark_as_done(f"task-{index}", index, request=request)
    assert [values for values, _ in sent] == [[[0, 1]]]
    assert part_key(KEY, Part(index=0, task_id="task-0")) == b"chord-unlock-g/0:task-0"
    assert [text_of(item, "id") for item in service.items(TABLE)] == [str(KEY)]
