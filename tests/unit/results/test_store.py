"""The store on the double, with stock's items made by stock's own code."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from celery_aws.core.attributes import Item, binary, text, text_of
from celery_aws.core.conditions import Condition
from celery_aws.errors import (
    AccessDeniedError,
    ConditionFailedError,
    TableNotFoundError,
)
from celery_aws.names import TableName
from celery_aws.results.items import table_spec
from celery_aws.results.store import ResultStore
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import TABLE, Stock

KEY = b"celery-task-meta-1"


def status_of(payload: bytes) -> str:
    return str(json.loads(payload)["status"])


def a_store(
    service: MemoryTableService, clock: FakeClock, *, creates_table: bool = True
) -> ResultStore:
    return ResultStore(
        service=service,
        table=TABLE,
        spec=table_spec(read_capacity=None, write_capacity=None),
        creates_table=creates_table,
        clock=clock,
        random=lambda: 1.0,
    )


@pytest.fixture
def store(service: MemoryTableService, clock: FakeClock) -> ResultStore:
    return a_store(service, clock)


def write(store: ResultStore, status: str, payload: bytes = b"ours") -> bool:
    return store.write_state(KEY, payload, status=status, life_seconds=60, status_of=status_of)


@pytest.mark.parametrize("before", ["STARTED", "RETRY", "FAILURE", "REVOKED"])
def test_a_state_is_one_request(
    store: ResultStore, service: MemoryTableService, before: str
) -> None:
    assert write(store, before)
    assert write(store, "SUCCESS", b"done")
    assert service.requests == {"PutItem": 2}
    assert store.read(KEY) == b"done"


@pytest.mark.parametrize("after", ["STARTED", "FAILURE", "SUCCESS"])
def test_a_success_is_never_overwritten(
    store: ResultStore, service: MemoryTableService, after: str
) -> None:
    write(store, "SUCCESS", b"first")
    assert not write(store, after, b"second")
    assert service.requests == {"PutItem": 2}
    assert store.read(KEY) == b"first"


def test_an_expired_success_counts_as_absent(store: ResultStore, clock: FakeClock) -> None:
    write(store, "SUCCESS", b"old")
    clock.advance(62)
    assert store.read(KEY) is None
    assert store.read_many([KEY]) == {}
    assert write(store, "STARTED", b"new")
    assert store.read(KEY) == b"new"


def test_stocks_success_is_kept(
    store: ResultStore, service: MemoryTableService, stock: Stock
) -> None:
    stock.store("1", "SUCCESS", "stock's")
    before = store.read(KEY)
    service.requests.clear()
    assert not write(store, "FAILURE")
    assert service.requests == {"PutItem": 1}
    assert store.read(KEY) == before


def test_stocks_unfinished_state_is_replaced_by_a_second_put(
    store: ResultStore, service: MemoryTableService, stock: Stock
) -> None:
    stock.store("1", "STARTED")
    service.requests.clear()
    assert write(store, "SUCCESS")
    assert service.requests == {"PutItem": 2}
    assert store.read(KEY) == b"ours"


def test_an_item_of_nobodys_is_replaced(store: ResultStore, service: MemoryTableService) -> None:
    service.put_item(TABLE, {"id": text(repr(KEY)), "note": binary(b"?")})
    assert write(store, "STARTED")


class Interrupted(MemoryTableService):
    """Before each of the next puts, somebody else does something."""

    def __init__(self, *, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.interruptions: list[Callable[[], None]] = []

    def put_item(
        self, table: TableName, item: Item, *, condition: Condition | None = None
    ) -> Item | None:
        if condition is not None and self.interruptions:
            self.interruptions.pop(0)()
        return super().put_item(table, item, condition=condition)


@pytest.fixture
def interrupted(clock: FakeClock) -> Interrupted:
    service = Interrupted(clock=clock)
    service.create_table(TABLE, table_spec(read_capacity=None, write_capacity=None))
    return service


def test_stocks_success_between_look_and_write_is_kept(
    interrupted: Interrupted, clock: FakeClock, app: Any
) -> None:
    store, stock = a_store(interrupted, clock), Stock(app, interrupted)
    interrupted.interruptions = [
        lambda: stock.store("1", "STARTED"),
        lambda: stock.store("1", "SUCCESS"),
    ]
    assert not write(store, "FAILURE")
    assert status_of(store.read(KEY) or b"") == "SUCCESS"


def test_our_success_between_look_and_write_is_kept(
    interrupted: Interrupted, clock: FakeClock, app: Any
) -> None:
    store, stock = a_store(interrupted, clock), Stock(app, interrupted)
    interrupted.interruptions = [
        lambda: stock.store("1", "STARTED"),
        lambda: _assert(write(store, "SUCCESS", b"theirs")),
    ]
    assert not write(store, "FAILURE")
    assert store.read(KEY) == b"theirs"


def test_it_gives_up_against_a_stock_worker_that_never_stops(
    interrupted: Interrupted, clock: FakeClock, app: Any
) -> None:
    store, stock = a_store(interrupted, clock), Stock(app, interrupted)
    interrupted.interruptions = [lambda: stock.store("1", "STARTED")] * 100
    with pytest.raises(ConditionFailedError):
        write(store, "FAILURE")


def _assert(fact: bool) -> None:
    assert fact


def test_reading_many_keeps_to_the_keys_asked_for(
    store: ResultStore, service: MemoryTableService
) -> None:
    store.write(b"a", b"A", life_seconds=None)
    store.write(b"b", b"B", life_seconds=None)
    service.requests.clear()
    assert store.read_many([b"b", b"missing", b"a", b"b"]) == {b"a": b"A", b"b": b"B"}
    assert service.requests == {"BatchGetItem": 1}


def test_a_counter_needs_no_start_and_expires(
    store: ResultStore, service: MemoryTableService
) -> None:
    assert store.count(b"chord", life_seconds=60) == 1
    assert store.count(b"chord", life_seconds=60) == 2
    store.start_count(b"chord", life_seconds=None)
    assert store.count(b"chord", life_seconds=None) == 1
    assert [text_of(item, "id") for item in service.items(TABLE)] == ["b'chord'"]


@pytest.fixture
def no_table(clock: FakeClock) -> MemoryTableService:
    return MemoryTableService(clock=clock)


def test_the_first_write_makes_the_table_and_says_so_once(
    no_table: MemoryTableService, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    store = a_store(no_table, clock)
    with caplog.at_level(logging.WARNING):
        assert write(store, "STARTED")
        assert write(store, "SUCCESS")
    assert [record.getMessage() for record in caplog.records] == [
        "results table results did not exist: it was created"
    ]
    assert store.read(KEY) == b"ours"


def test_who_misses_the_table_while_another_one_makes_it_says_nothing(
    no_table: MemoryTableService, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = a_store(no_table, clock), a_store(no_table, clock)
    with caplog.at_level(logging.WARNING):
        assert write(first, "STARTED")
        no_table.fail_next("PutItem", TableNotFoundError("not seen yet"))
        assert write(second, "SUCCESS")
    assert len(caplog.records) == 1


def test_the_first_count_makes_the_table_too(
    no_table: MemoryTableService, clock: FakeClock
) -> None:
    assert a_store(no_table, clock).count(b"chord", life_seconds=None) == 1


def test_a_refused_creation_is_the_error(no_table: MemoryTableService, clock: FakeClock) -> None:
    no_table.fail_next("CreateTable", AccessDeniedError("no"))
    with pytest.raises(AccessDeniedError):
        write(a_store(no_table, clock), "STARTED")


def test_a_read_without_a_table_finds_nothing(
    no_table: MemoryTableService, clock: FakeClock
) -> None:
    store = a_store(no_table, clock)
    assert store.read(KEY) is None
    assert store.read_many([KEY]) == {}
    store.delete(KEY)
    assert "CreateTable" not in no_table.requests


def test_without_leave_to_create_a_missing_table_is_an_error(
    no_table: MemoryTableService, clock: FakeClock
) -> None:
    store = a_store(no_table, clock, creates_table=False)
    requests: list[Callable[[], Any]] = [
        lambda: store.read(KEY),
        lambda: store.read_many([KEY]),
        lambda: store.delete(KEY),
        lambda: store.count(KEY, life_seconds=None),
        lambda: write(store, "STARTED"),
    ]
    for request in requests:
        with pytest.raises(TableNotFoundError, match=r"results.*create_table=true"):
            request()
    assert "CreateTable" not in no_table.requests
