from typing import Any

import pytest

from celery_aws.core.attributes import Item, binary, text
from celery_aws.core.consumed_capacity import billed_units, estimated_write_units, told_units

KEY: Item = {"id": text("k")}


def item(kilobytes: float) -> Item:
    return {**KEY, "v": binary(b"x" * (int(kilobytes * 1_024) - 4))}


def test_what_the_answer_tells_is_taken() -> None:
    answer = {"ConsumedCapacity": {"TableName": "t", "CapacityUnits": 7.0}}
    assert told_units(answer) == 7.0
    assert billed_units("PutItem", {"Item": item(1)}, answer) == 7.0


def test_of_a_batch_all_tables_count() -> None:
    consumed = [{"CapacityUnits": 2.5}, {"TableName": "t", "CapacityUnits": 1.0}]
    assert told_units({"ConsumedCapacity": consumed}) == 3.5


@pytest.mark.parametrize("answer", [{}, {"ConsumedCapacity": None}, {"ConsumedCapacity": []}])
def test_an_answer_that_tells_nothing_has_no_units(answer: dict[str, Any]) -> None:
    assert told_units(answer) is None


def test_what_does_not_work_on_items_costs_no_units() -> None:
    assert billed_units("DescribeTable", {}, {"Table": {}}) == 0


@pytest.mark.parametrize(
    ("operation", "request_", "answer", "units"),
    [
        ("PutItem", {"Item": item(1)}, {}, 1),
        ("PutItem", {"Item": item(1.5)}, {}, 2),
        ("PutItem", {"Item": item(1)}, {"Attributes": item(3)}, 3),
        ("PutItem", {"Item": item(1)}, {"Error": {}, "Item": item(4)}, 4),
        ("PutItem", {"Item": item(5)}, {"Error": {}, "Item": item(4)}, 5),
        ("UpdateItem", {"Key": KEY}, {"Attributes": item(2)}, 2),
        ("DeleteItem", {"Key": KEY}, {}, 1),
        ("DeleteItem", {"Key": KEY}, {"Attributes": item(2)}, 2),
        ("GetItem", {"Key": KEY, "ConsistentRead": True}, {}, 1),
        ("GetItem", {"Key": KEY, "ConsistentRead": False}, {"Item": item(5)}, 1),
        ("GetItem", {"Key": KEY, "ConsistentRead": True}, {"Item": item(5)}, 2),
        ("Query", {"ConsistentRead": True}, {"Items": [item(3), item(3)]}, 2),
        ("Query", {"ConsistentRead": False}, {"Items": []}, 0.5),
    ],
)
def test_without_it_units_are_estimated(
    operation: str, request_: dict[str, Any], answer: dict[str, Any], units: float
) -> None:
    assert billed_units(operation, request_, answer) == units


def test_a_batch_of_reads_pays_for_each_key_that_was_looked_up() -> None:
    wanted = {"t": {"Keys": [KEY] * 4, "ConsistentRead": True}}
    answer = {
        "Responses": {"t": [item(5)]},
        "UnprocessedKeys": {"t": {"Keys": [KEY]}},
    }
    assert billed_units("BatchGetItem", {"RequestItems": wanted}, answer) == 2 + 2 * 1


def test_a_batch_of_writes_pays_for_what_was_written() -> None:
    put, delete = {"PutRequest": {"Item": item(2)}}, {"DeleteRequest": {"Key": KEY}}
    request = {"RequestItems": {"t": [put, put, delete]}}
    assert billed_units("BatchWriteItem", request, {"UnprocessedItems": {}}) == 2 + 2 + 1
    assert billed_units("BatchWriteItem", request, {"UnprocessedItems": {"t": [put]}}) == 2 + 1


def test_a_refused_write_of_an_item_that_is_not_there_is_one_unit() -> None:
    assert estimated_write_units(None) == 1
