"""What the double says that its requests would cost on AWS."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.core.attributes import Item, binary, number, text
from celery_aws.core.conditions import Missing, Present
from celery_aws.errors import ConditionFailedError, InvalidRequestError, ThrottledError
from celery_aws.names import TableName
from celery_aws.testing.memory_dynamodb import MemoryTableService

TABLE = TableName("notes")
SPEC = TableSpec(hash_key=KeyAttribute(name="p"), range_key=KeyAttribute(name="s"))
KILOBYTE = 1_024


@pytest.fixture
def service() -> MemoryTableService:
    service = MemoryTableService()
    service.create_table(TABLE, SPEC)
    return service


def key(sort_key: str = "1") -> Item:
    return {"p": text("p"), "s": text(sort_key)}


def item(size_bytes: int, sort_key: str = "1") -> Item:
    return {**key(sort_key), "x": binary(b"x" * (size_bytes - len("p" + "p" + "s" + "1" + "x")))}


def written(service: MemoryTableService, write: Callable[[], object]) -> int:
    before = service.write_units
    write()
    return service.write_units - before


def read(service: MemoryTableService, request: Callable[[], object]) -> float:
    before = service.read_units
    request()
    return service.read_units - before


def test_a_put_costs_the_larger_of_the_old_and_the_new_item(service: MemoryTableService) -> None:
    sizes = [KILOBYTE, KILOBYTE + 1, 3 * KILOBYTE, KILOBYTE, KILOBYTE]
    costs = [written(service, partial(service.put_item, TABLE, item(n))) for n in sizes]
    assert costs == [1, 2, 3, 3, 1]


def test_an_update_costs_the_whole_item(service: MemoryTableService) -> None:
    service.put_item(TABLE, item(3 * KILOBYTE - 10))

    def cost(add: Mapping[str, int], put: Item) -> int:
        return written(service, lambda: service.update_item(TABLE, key(), add=add, put=put))

    costs = [
        cost({"n": 1}, {}),
        cost({}, {"y": text("12345678")}),
        cost({}, {"x": text("")}),
        cost({"n": 1}, {}),
    ]
    assert costs == [3, 4, 4, 1]


def test_a_delete_costs_what_is_deleted(service: MemoryTableService) -> None:
    service.put_item(TABLE, item(2 * KILOBYTE))
    costs = [written(service, lambda: service.delete_item(TABLE, key())) for _ in range(2)]
    assert costs == [2, 1]


def test_a_write_whose_condition_fails_costs_the_same(service: MemoryTableService) -> None:
    service.put_item(TABLE, item(2 * KILOBYTE))
    absent, present = Missing("p"), Present("none")
    writes: list[Callable[[], object]] = [
        lambda: service.put_item(TABLE, key(), condition=absent),
        lambda: service.put_item(TABLE, item(3 * KILOBYTE), condition=absent),
        lambda: service.delete_item(TABLE, key(), condition=absent),
        lambda: service.update_item(TABLE, key(), add={"n": 1}, put={}, condition=absent),
        lambda: service.put_item(TABLE, key("2"), condition=present),
    ]
    costs = []
    for write in writes:
        before = service.write_units
        with pytest.raises(ConditionFailedError):
            write()
        costs.append(service.write_units - before)
    assert costs == [2, 3, 2, 3, 1]


def test_a_batch_of_writes_costs_those_that_were_written(service: MemoryTableService) -> None:
    puts = [item(2 * KILOBYTE, "1"), key("2"), item(3 * KILOBYTE, "3")]
    service.batch_writes.append(2)
    assert written(service, lambda: service.write_batch(TABLE, puts=puts)) == 3
    rest = [key("1"), key("3")]
    assert written(service, lambda: service.write_batch(TABLE, deletes=rest)) == 3


def test_each_item_of_a_batch_of_reads_is_rounded_up(service: MemoryTableService) -> None:
    service.put_item(TABLE, item(4 * KILOBYTE + 1))
    service.put_item(TABLE, key("2"))
    keys = [key("1"), key("2"), key("none")]
    assert read(service, lambda: service.batch_get(TABLE, keys, consistent=True)) == 4
    assert read(service, lambda: service.batch_get(TABLE, keys, consistent=False)) == 2
    service.batch_answers.append(1)
    assert read(service, lambda: service.batch_get(TABLE, keys, consistent=True)) == 2


def test_a_get_costs_the_item_and_something_if_there_is_none(service: MemoryTableService) -> None:
    service.put_item(TABLE, item(8 * KILOBYTE + 1))
    assert read(service, lambda: service.get_item(TABLE, key(), consistent=True)) == 3
    assert read(service, lambda: service.get_item(TABLE, key(), consistent=False)) == 1.5
    assert read(service, lambda: service.get_item(TABLE, key("2"), consistent=False)) == 0.5


def test_a_query_costs_the_sum_of_what_it_read(service: MemoryTableService) -> None:
    for sort_key in "123456789":
        service.put_item(TABLE, item(KILOBYTE, sort_key))

    def query(**more: Any) -> None:
        service.query(TABLE, **{"partition": ("p", text("p")), "consistent": True, **more})

    assert read(service, query) == 3  # 9 KB
    assert read(service, lambda: query(consistent=False)) == 1.5
    assert read(service, lambda: query(limit=4)) == 1
    assert read(service, lambda: query(limit=5, count_only=True)) == 2
    assert read(service, lambda: query(attributes=["s"])) == 3
    assert read(service, lambda: query(partition=("p", text("none")))) == 1


def test_what_is_refused_costs_nothing(service: MemoryTableService) -> None:
    service.write_units, service.read_units = 0, 0.0
    service.fail_next("PutItem", ThrottledError("slow down"))
    with pytest.raises(ThrottledError):
        service.put_item(TABLE, key())
    with pytest.raises(InvalidRequestError):
        service.put_item(TABLE, {"p": number(1)})
    with pytest.raises(InvalidRequestError):
        service.write_batch(TABLE, puts=[key(), key()])
    with pytest.raises(InvalidRequestError):
        service.batch_get(TABLE, [], consistent=True)
    assert (service.write_units, service.read_units) == (0, 0)
