from datetime import timedelta

import pytest

from celery_aws.core.attributes import Item, binary, number, text
from celery_aws.core.conditions import holds
from celery_aws.results import items
from celery_aws.testing.clock import START

KEY = b"celery-task-meta-1"


def test_the_id_is_the_literal_of_the_bytes_as_stock_writes_it() -> None:
    assert items.key_item(KEY) == {"id": text("b'celery-task-meta-1'")}


def test_a_state_has_stocks_attributes_and_its_status() -> None:
    item = items.result_item(KEY, b"{}", now=START, life_seconds=60, status="STARTED")
    assert item == {
        "id": text("b'celery-task-meta-1'"),
        "result": binary(b"{}"),
        "timestamp": number(1773500966.535897),
        "ttl": number(1773501026),
        "status": text("STARTED"),
    }


def test_for_ever_has_no_ttl_and_a_group_no_status() -> None:
    item = items.result_item(KEY, b"{}", now=START, life_seconds=None)
    assert set(item) == {"id", "result", "timestamp"}


def test_a_counter_starts_at_zero() -> None:
    item = items.counter_item(KEY, now=START, life_seconds=1)
    assert item["chord_count"] == number(0)
    assert set(item) == {"id", "chord_count", "timestamp", "ttl"}


def test_the_read_and_the_write_agree_on_when_an_item_has_expired() -> None:
    item = items.result_item(KEY, b"{}", now=START, life_seconds=60, status="SUCCESS")
    for seconds in range(58, 64):
        now = START + timedelta(seconds=seconds)
        assert items.is_expired(item, now) is (seconds > 60)
        assert holds(items.may_be_replaced(now), item) is (seconds > 60)


@pytest.mark.parametrize(
    ("stored", "replaced"),
    [
        ({}, True),
        ({"id": text("x"), "status": text("STARTED")}, True),
        ({"id": text("x"), "status": text("FAILURE")}, True),
        ({"id": text("x"), "status": text("SUCCESS")}, False),
        ({"id": text("x"), "timestamp": number(1)}, False),
    ],
)
def test_what_may_be_replaced_without_a_look(stored: Item, replaced: bool) -> None:
    assert holds(items.may_be_replaced(START), stored) is replaced


def test_a_stock_item_is_known_again_by_its_timestamp() -> None:
    seen = {"id": text("x"), "timestamp": number(1.5)}
    assert holds(items.is_still(seen), seen)
    assert not holds(items.is_still(seen), {**seen, "timestamp": number(1.6)})
    assert not holds(items.is_still(seen), {**seen, "status": text("STARTED")})


def test_an_item_without_a_timestamp_is_known_by_that() -> None:
    seen = {"id": text("x")}
    assert holds(items.is_still(seen), seen)
    assert not holds(items.is_still(seen), {**seen, "timestamp": number(1)})


@pytest.mark.parametrize(
    ("copied", "there", "written"),
    [
        ("SUCCESS", None, True),
        ("SUCCESS", "SUCCESS", False),
        ("SUCCESS", "FAILURE", True),
        ("FAILURE", "REVOKED", False),
        ("FAILURE", "STARTED", True),
        ("STARTED", "PENDING", False),
        ("STARTED", None, True),
        (None, None, True),
    ],
)
def test_a_copy_is_written_over_what_is_less_far(
    copied: str | None, there: str | None, written: bool
) -> None:
    item = {} if there is None else items.result_item(
        b"k", b"{}", now=START, life_seconds=60, status=there
    )  # fmt: skip
    assert holds(items.may_be_copied_over(copied, START), item) is written
    if item:
        later = START + timedelta(seconds=62)
        assert holds(items.may_be_copied_over(copied, later), item)


def test_a_copy_is_not_written_over_a_state_of_celerys_own_backend() -> None:
    item = items.result_item(b"k", b"{}", now=START, life_seconds=None)
    assert not holds(items.may_be_copied_over("SUCCESS", START), item)
