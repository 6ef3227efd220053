"""What requests on items cost: the double and the meter must say the same as AWS."""

from collections.abc import Callable

import pytest

from celery_aws import request_usage
from celery_aws.aws.dynamodb import TableService
from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.core.attributes import Item, binary, text
from celery_aws.core.conditions import Missing
from celery_aws.errors import ConditionFailedError
from celery_aws.names import TableName
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.contract.aws.conftest import new_name

SPEC = TableSpec(hash_key=KeyAttribute(name="place"), range_key=KeyAttribute(name="at"))
KILOBYTE = 1_024

ONE_UNIT = "a read is one unit, whatever its size"

#: Does something, and returns the write and read units that it cost.
Units = Callable[[Callable[[], object]], tuple[float, float]]


@pytest.fixture
def units(service: TableService) -> Units:
    def so_far() -> tuple[float, float]:
        if isinstance(service, MemoryTableService):
            return service.write_units, service.read_units
        usage = request_usage()
        return usage.write_units, usage.read_units

    def of(do: Callable[[], object]) -> tuple[float, float]:
        written, read = so_far()
        do()
        writes, reads = so_far()
        return writes - written, reads - read

    return of


@pytest.fixture
def table(service: TableService) -> TableName:
    name = new_name()
    service.create_table(name, SPEC)
    return name


def key(at: str) -> Item:
    return {"place": text("here"), "at": text(at)}


def item(at: str, kilobytes: float) -> Item:
    names_and_key = len("place" + "here" + "at") + len(at) + len("x")
    return {**key(at), "x": binary(b"x" * (int(kilobytes * KILOBYTE) - names_and_key))}


@pytest.fixture
def filled(service: TableService, table: TableName) -> TableName:
    """A table with two items: one of 5 KB and one of 1 KB."""
    service.write_batch(table, puts=[item("1", 5), item("2", 1)])
    return table


def test_a_put_costs_its_size(service: TableService, table: TableName, units: Units) -> None:
    assert units(lambda: service.put_item(table, item("1", 1))) == (1, 0)
    assert units(lambda: service.put_item(table, item("2", 1.001))) == (2, 0)


def test_a_smaller_item_costs_what_it_replaces(
    service: TableService, filled: TableName, units: Units
) -> None:
    assert units(lambda: service.put_item(filled, item("1", 1))) == (5, 0)


def test_a_condition_that_is_not_met_costs_what_is_there(
    service: TableService, filled: TableName, units: Units
) -> None:
    def refused() -> None:
        with pytest.raises(ConditionFailedError):
            service.put_item(filled, item("1", 2), condition=Missing("place"))

    assert units(refused) == (5, 0)


def test_an_update_costs_the_whole_item(
    service: TableService, filled: TableName, units: Units
) -> None:
    update = units(lambda: service.update_item(filled, key("1"), add={"n": 1}, put={}))
    assert update == (6, 0)


def test_a_delete_costs_what_it_deletes(
    service: TableService, filled: TableName, units: Units
) -> None:
    assert units(lambda: service.delete_item(filled, key("1"))) == (5, 0)
    assert units(lambda: service.delete_item(filled, key("1"))) == (1, 0)


@pytest.mark.aws_only(ONE_UNIT)
def test_a_get_costs_half_unless_it_is_consistent(
    service: TableService, filled: TableName, units: Units
) -> None:
    assert units(lambda: service.get_item(filled, key("1"), consistent=True)) == (0, 2)
    assert units(lambda: service.get_item(filled, key("1"), consistent=False)) == (0, 1)


def test_a_look_for_what_is_not_there_costs_too(
    service: TableService, filled: TableName, units: Units
) -> None:
    assert units(lambda: service.get_item(filled, key("9"), consistent=True)) == (0, 1)
    assert units(lambda: service.get_item(filled, key("9"), consistent=False)) == (0, 0.5)


@pytest.mark.aws_only(ONE_UNIT)
def test_a_query_costs_the_sum_of_what_it_reads(
    service: TableService, filled: TableName, units: Units
) -> None:
    here = ("place", text("here"))
    assert units(lambda: service.query(filled, partition=here, consistent=True)) == (0, 2)


@pytest.mark.aws_only(ONE_UNIT)
def test_a_batch_of_reads_costs_what_its_parts_would(
    service: TableService, filled: TableName, units: Units
) -> None:
    keys = [key("1"), key("2")]
    assert units(lambda: service.batch_get(filled, keys, consistent=True)) == (0, 2 + 1)
    assert units(lambda: service.batch_get(filled, keys, consistent=False)) == (0, 1 + 0.5)


def test_a_batch_of_writes_costs_what_its_parts_would(
    service: TableService, filled: TableName, units: Units
) -> None:
    deletes = [key("1"), key("2")]
    writes = units(lambda: service.write_batch(filled, puts=[item("3", 2)], deletes=deletes))
    assert writes == (2 + 5 + 1, 0)
