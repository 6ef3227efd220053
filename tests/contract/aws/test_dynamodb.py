"""One suite for every TableService: the in-memory double and boto3 on the local AWS."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_aws.aws.dynamodb import TableService
from celery_aws.aws.table_schema import TABLE_USABLE, KeyAttribute, TableSpec
from celery_aws.core.attributes import Item, binary, number, number_of, text, text_of, texts_of
from celery_aws.core.conditions import (
    Condition,
    Equals,
    LessThan,
    Missing,
    NotEquals,
    Present,
    all_of,
    any_of,
    holds,
)
from celery_aws.errors import (
    AlreadyExistsError,
    ConditionFailedError,
    InvalidRequestError,
    TableNotFoundError,
)
from celery_aws.limits import DYNAMODB_ITEM_BYTES
from celery_aws.names import TableName
from tests.contract.aws.conftest import new_name

SPEC = TableSpec(hash_key=KeyAttribute(name="id"))
KEY = {"id": text("one")}


@pytest.fixture
def table(service: TableService) -> TableName:
    name = new_name()
    service.create_table(name, SPEC)
    return name


def test_an_item_comes_back_as_it_was_put(service: TableService, table: TableName) -> None:
    item = {**KEY, "result": binary(b"\x00\xff"), "n": number(12), "s": text("é")}
    service.put_item(table, item)
    assert service.get_item(table, KEY, consistent=True) == item


def test_a_number_keeps_its_value(service: TableService, table: TableName) -> None:
    service.put_item(table, {**KEY, "n": {"N": "1773500966.5358900"}})
    item = service.get_item(table, KEY, consistent=True)
    assert item is not None
    assert number_of(item, "n") == Decimal("1773500966.53589")


def test_no_item_is_none(service: TableService, table: TableName) -> None:
    assert service.get_item(table, KEY, consistent=True) is None


def test_a_put_replaces_the_whole_item(service: TableService, table: TableName) -> None:
    old = {**KEY, "old": text("x"), "empty": binary(b"")}
    assert service.put_item(table, old) is None
    assert service.put_item(table, {**KEY, "new": text("y")}) == old
    assert service.get_item(table, KEY, consistent=True) == {**KEY, "new": text("y")}


def test_delete(service: TableService, table: TableName) -> None:
    stored = {**KEY, "n": number(1)}
    service.put_item(table, stored)
    assert service.delete_item(table, KEY) == stored
    assert service.delete_item(table, KEY) is None
    assert service.get_item(table, KEY, consistent=True) is None


@pytest.mark.parametrize("operation", ["put", "delete", "update"])
def test_a_failed_condition_shows_the_stored_item(
    service: TableService, table: TableName, operation: str
) -> None:
    stored = {**KEY, "status": text("SUCCESS")}
    service.put_item(table, stored)
    absent = Missing("id")
    requests: dict[str, Any] = {
        "put": lambda: service.put_item(table, KEY, condition=absent),
        "delete": lambda: service.delete_item(table, KEY, condition=absent),
        "update": lambda: service.update_item(table, KEY, add={"n": 1}, put={}, condition=absent),
    }
    with pytest.raises(ConditionFailedError) as failure:
        requests[operation]()
    assert service.get_item(table, KEY, consistent=True) == stored
    assert failure.value.item == stored


def test_a_failed_condition_on_no_item_shows_none(service: TableService, table: TableName) -> None:
    with pytest.raises(ConditionFailedError) as failure:
        service.put_item(table, KEY, condition=Present("id"))
    assert failure.value.item == {}


def test_update_counts_from_nothing(service: TableService, table: TableName) -> None:
    assert service.update_item(table, KEY, add={"n": 1}, put={}) == {**KEY, "n": number(1)}
    new = service.update_item(table, KEY, add={"n": 2}, put={"ttl": number(7)})
    assert new == {**KEY, "n": number(3), "ttl": number(7)}
    assert service.get_item(table, KEY, consistent=True) == new


def test_update_without_a_number_sets(service: TableService, table: TableName) -> None:
    new = service.update_item(table, KEY, add={}, put={"status": text("x")})
    assert new == {**KEY, "status": text("x")}


def test_update_on_a_condition(service: TableService, table: TableName) -> None:
    service.put_item(table, {**KEY, "n": number(1)})
    condition = Equals("n", number(1))
    new = service.update_item(table, KEY, add={"n": 1}, put={}, condition=condition)
    assert new["n"] == number(2)


def test_update_makes_a_set_and_adds_to_it_what_it_has_not(
    service: TableService, table: TableName
) -> None:
    for members, expected in [(["b"], {"b"}), (["a", "b"], {"a", "b"}), (["a"], {"a", "b"})]:
        new = service.update_item(table, KEY, add={}, put={}, include={"parts": members})
        assert texts_of(new, "parts") == expected
    found = service.get_item(table, KEY, consistent=True)
    assert found is not None
    assert texts_of(found, "parts") == {"a", "b"}


def test_update_adds_and_sets_at_once_whatever_is_there(
    service: TableService, table: TableName
) -> None:
    service.put_item(table, {**KEY, "old": text("x"), "n": number(1)})
    new = service.update_item(
        table,
        KEY,
        add={"n": 1},
        put={"s": text("y")},
        include={"parts": ["a"]},
    )
    assert new == {**KEY, "old": text("x"), "n": number(2), "s": text("y"), "parts": {"SS": ["a"]}}


def test_update_may_ask_for_what_it_changes(service: TableService, table: TableName) -> None:
    """The condition is about the item as it was."""
    service.put_item(table, {**KEY, "claim": text("a"), "parts": {"SS": ["x"]}})
    condition = all_of(Present("parts"), any_of(Missing("claim"), Equals("claim", text("a"))))
    request: dict[str, Any] = {
        "add": {},
        "put": {"claim": text("b")},
        "include": {"parts": ["y"]},
        "condition": condition,
    }
    assert texts_of(service.update_item(table, KEY, **request), "parts") == {"x", "y"}
    with pytest.raises(ConditionFailedError) as failure:
        service.update_item(table, KEY, **request)
    assert text_of(failure.value.item, "claim") == "b"
    assert texts_of(failure.value.item, "parts") == {"x", "y"}


def test_batch_get(service: TableService, table: TableName) -> None:
    keys: list[Item] = [{"id": text(f"k{n}")} for n in range(100)]
    for key in keys[:3]:
        service.put_item(table, key)
    got = service.batch_get(table, keys, consistent=True)
    assert sorted(got.items, key=str) == keys[:3]
    assert got.unprocessed_keys == []


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_has_one_to_a_hundred_keys(
    service: TableService, table: TableName, count: int
) -> None:
    keys: list[Item] = [{"id": text(f"k{n}")} for n in range(count)]
    with pytest.raises(InvalidRequestError):
        service.batch_get(table, keys, consistent=True)


def test_a_batch_has_no_key_twice(service: TableService, table: TableName) -> None:
    with pytest.raises(InvalidRequestError):
        service.batch_get(table, [KEY, KEY], consistent=True)


def test_an_item_has_a_size_limit(service: TableService, table: TableName) -> None:
    room = DYNAMODB_ITEM_BYTES - len("id" + "one" + "result")
    service.put_item(table, {**KEY, "result": binary(b"x" * room)})
    with pytest.raises(InvalidRequestError):
        service.put_item(table, {**KEY, "result": binary(b"x" * (room + 1))})


@pytest.mark.parametrize("key", [{}, {"other": text("x")}, {"id": number(1)}, {"id": text("")}])
def test_a_key_must_fit_the_table(service: TableService, table: TableName, key: Item) -> None:
    with pytest.raises(InvalidRequestError):
        service.get_item(table, key, consistent=True)


def test_a_table_is_described_by_its_key_and_capacity(service: TableService) -> None:
    on_demand, provisioned = new_name(), new_name()
    service.create_table(on_demand, SPEC)
    both = (KeyAttribute(name="pk"), KeyAttribute(name="sk", kind="N"))
    spec = TableSpec(hash_key=both[0], range_key=both[1], read_capacity=2, write_capacity=3)
    service.create_table(provisioned, spec)
    found = service.describe_table(on_demand)
    assert found.status in TABLE_USABLE
    assert (found.key, found.on_demand) == (SPEC.key, True)
    found = service.describe_table(provisioned)
    assert (found.key, found.on_demand) == (both, False)


def test_a_table_is_created_once(service: TableService, table: TableName) -> None:
    with pytest.raises(AlreadyExistsError):
        service.create_table(table, SPEC)


def test_expiry_is_off_until_it_is_switched_on(service: TableService, table: TableName) -> None:
    assert service.describe_ttl(table).status == "DISABLED"
    service.enable_ttl(table, "ttl")
    found = service.describe_ttl(table)
    assert (found.status in {"ENABLED", "ENABLING"}, found.attribute) == (True, "ttl")


def test_a_missing_table_is_an_error_with_a_remedy(service: TableService) -> None:
    missing = new_name()
    requests: list[Any] = [
        lambda: service.put_item(missing, KEY),
        lambda: service.get_item(missing, KEY, consistent=True),
        lambda: service.delete_item(missing, KEY),
        lambda: service.update_item(missing, KEY, add={"n": 1}, put={}),
        lambda: service.batch_get(missing, [KEY], consistent=True),
        lambda: service.query(missing, partition=("id", text("one")), consistent=True),
        lambda: service.write_batch(missing, puts=[KEY]),
        lambda: service.describe_table(missing),
        lambda: service.describe_ttl(missing),
        lambda: service.enable_ttl(missing, "ttl"),
    ]
    for request in requests:
        with pytest.raises(TableNotFoundError, match=f"{missing}.*create_table"):
            request()


VALUES = [text("a"), text("b"), number(1), number(10), binary(b"a")]
LEAVES: list[Condition] = [
    Missing("status"),
    Present("status"),
    *(Equals("status", value) for value in VALUES),
    *(NotEquals("status", value) for value in VALUES),
    *(LessThan("status", value) for value in VALUES),
]


@pytest.fixture(scope="module")
def shared_table(service: TableService) -> TableName:
    name = new_name()
    service.create_table(name, SPEC)
    return name


@pytest.mark.parametrize("stored", [None, {}, *({"status": value} for value in VALUES)])
def test_each_condition_means_what_core_says(
    service: TableService, shared_table: TableName, stored: Item | None
) -> None:
    for condition in LEAVES:
        assert accepted(service, shared_table, stored, condition) == expected(stored, condition)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    stored=st.sampled_from([{}, {"status": text("b")}, {"status": number(10)}]),
    condition=st.recursive(
        st.sampled_from(LEAVES),
        lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
            lambda terms: st.sampled_from([all_of(*terms), any_of(*terms)])
        ),
        max_leaves=5,
    ),
)
def test_conditions_combine_as_core_says(
    service: TableService, shared_table: TableName, stored: Item, condition: Condition
) -> None:
    assert accepted(service, shared_table, stored, condition) == expected(stored, condition)


def expected(stored: Item | None, condition: Condition) -> bool:
    return holds(condition, {} if stored is None else {**KEY, **stored})


def accepted(
    service: TableService, table: TableName, stored: Item | None, condition: Condition
) -> bool:
    service.delete_item(table, KEY)
    if stored is not None:
        service.put_item(table, {**KEY, **stored})
    try:
        service.put_item(table, KEY, condition=condition)
    except ConditionFailedError:
        return False
    return True
