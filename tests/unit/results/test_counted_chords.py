"""Chords by the counter of Celery's own backend."""

import pytest
from celery import Celery
from celery.app.task import Context
from celery.result import AsyncResult, GroupResult

from celery_aws.core.attributes import number
from celery_aws.results import DynamoDBBackend
from celery_aws.results.items import key_item
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import TABLE, MakeBackend, Stock


@pytest.fixture
def counting(make_backend: MakeBackend) -> DynamoDBBackend:
    return make_backend("stock_chords=true")


def total(numbers: list[int]) -> int:
    return sum(numbers)


def test_the_counter_is_made_first_as_stock_makes_it(
    counting: DynamoDBBackend, app: Celery, service: MemoryTableService, stock: Stock
) -> None:
    counting.apply_chord(("g", [AsyncResult("1", app=app)]), None)
    key = counting.get_key_for_chord("g")
    ours = service.get_item(TABLE, key_item(key), consistent=True)
    assert ours is not None
    stocks = stock.backend._prepare_init_count_request(str(key))["Item"]
    assert set(ours) == {*stocks, "ttl"}
    assert (ours["id"], ours["chord_count"]) == (stocks["id"], stocks["chord_count"])
    assert GroupResult.restore("g", backend=counting, app=app) is not None


def test_it_counts_on_what_stock_has_counted(
    backend: DynamoDBBackend, service: MemoryTableService, stock: Stock
) -> None:
    key = backend.get_key_for_chord("g")
    service.put_item(TABLE, stock.backend._prepare_init_count_request(str(key))["Item"])
    assert [backend.incr(key), backend.incr(key)] == [1, 2]


def test_a_missing_counter_starts_from_zero(
    backend: DynamoDBBackend, service: MemoryTableService
) -> None:
    key = backend.get_key_for_chord("g")
    assert backend.incr(key) == 1
    (item,) = service.items(TABLE)
    assert item["chord_count"] == number(1)
    assert "ttl" in item


def test_a_counter_for_ever(make_backend: MakeBackend, service: MemoryTableService) -> None:
    backend = make_backend("ttl_seconds=-1")
    backend.incr(backend.get_key_for_chord("g"))
    assert "ttl" not in service.items(TABLE)[0]


def test_the_body_is_sent_once_when_all_parts_have_returned(
    counting: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    app.task(total, name="body", shared=False)
    body = app.signature("body", chord_size=3)
    counting.apply_chord(("g", [AsyncResult(str(n), app=app) for n in range(3)]), body)
    service.requests.clear()
    with app.connection() as connection, connection.SimpleQueue("celery") as queue:
        for n in range(3):
            assert queue.qsize() == 0
            counting.mark_as_done(str(n), n, request=Context(id=str(n), group="g", chord=body))
        assert queue.get(timeout=1).payload[0] == [[0, 1, 2]]
        assert queue.qsize() == 0
    assert service.requests == {
        "PutItem": 3,
        "GetItem": 3,
        "UpdateItem": 6,
        "BatchGetItem": 1,
        "DeleteItem": 2,
    }
    assert len(service.items(TABLE)) == 3
