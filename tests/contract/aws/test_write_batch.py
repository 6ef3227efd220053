"""Writes together: what every TableService must do with them."""

import pytest

from celery_aws.aws.dynamodb import BatchWritten, TableService
from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.core.attributes import Item, binary, number, text
from celery_aws.errors import InvalidRequestError
from celery_aws.limits import DYNAMODB_BATCH_WRITE_ENTRIES, DYNAMODB_ITEM_BYTES
from celery_aws.names import TableName
from tests.contract.aws.conftest import new_name

SPEC = TableSpec(hash_key=KeyAttribute(name="place"), range_key=KeyAttribute(name="at"))
MOST = DYNAMODB_BATCH_WRITE_ENTRIES


@pytest.fixture
def table(service: TableService) -> TableName:
    name = new_name()
    service.create_table(name, SPEC)
    return name


def key(place: str, at: str = "1") -> Item:
    return {"place": text(place), "at": text(at)}


def found(service: TableService, table: TableName, place: str) -> list[Item]:
    return service.query(table, partition=("place", text(place)), consistent=True).items


def test_items_of_many_partitions_are_put_together(service: TableService, table: TableName) -> None:
    puts = [{**key(str(n % 5), str(n // 5)), "n": number(n)} for n in range(MOST)]
    assert service.write_batch(table, puts=puts) == BatchWritten()
    for place in range(5):
        assert found(service, table, str(place)) == puts[place::5]


def test_a_put_replaces_the_whole_item(service: TableService, table: TableName) -> None:
    service.put_item(table, {**key("here"), "old": text("x")})
    service.write_batch(table, puts=[{**key("here"), "new": text("y")}])
    assert found(service, table, "here") == [{**key("here"), "new": text("y")}]


def test_puts_and_deletes_share_a_request(service: TableService, table: TableName) -> None:
    service.write_batch(table, puts=[key("here", at) for at in "123"])
    missing = key("here", "9")
    written = service.write_batch(
        table, puts=[key("here", "4")], deletes=[key("here", "1"), key("here", "3"), missing]
    )
    assert written == BatchWritten()
    assert found(service, table, "here") == [key("here", "2"), key("here", "4")]


@pytest.mark.parametrize(
    ("puts", "deletes"),
    [
        ([], []),
        ([key("here", str(n)) for n in range(MOST)], [key("there")]),
        ([], [key("here", str(n)) for n in range(MOST + 1)]),
        ([{**key("here"), "n": number(1)}, key("here")], []),
        ([key("here")], [key("here")]),
        ([key("here"), {"place": text("here")}], []),
        ([key("here")], [{**key("there"), "more": text("x")}]),
        ([key("here"), {**key("there"), "x": binary(b"x" * DYNAMODB_ITEM_BYTES)}], []),
    ],
    ids=["none", "26", "26 deletes", "put twice", "put and deleted", "half a key", "more", "large"],
)
def test_what_aws_refuses_is_refused_as_a_whole(
    service: TableService, table: TableName, puts: list[Item], deletes: list[Item]
) -> None:
    service.put_item(table, key("there"))
    with pytest.raises(InvalidRequestError):
        service.write_batch(table, puts=puts, deletes=deletes)
    assert found(service, table, "here") == []
    assert found(service, table, "there") == [key("there")]


def test_the_largest_batch_passes(service: TableService, table: TableName) -> None:
    room = DYNAMODB_ITEM_BYTES - len("place" + "here" + "at" + "10" + "x")
    puts = [{**key("here", str(n)), "x": binary(b"x" * room)} for n in range(10, 10 + MOST)]
    assert service.write_batch(table, puts=puts) == BatchWritten()
    page = service.query(
        table, partition=("place", text("here")), consistent=True, attributes=["at"]
    )
    assert page.items[:2] == [{"at": text("10")}, {"at": text("11")}]
