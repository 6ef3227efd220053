from decimal import Decimal

import pytest

from celery_aws.core.attributes import (
    binary,
    binary_of,
    item_bytes,
    number,
    number_of,
    text,
    text_of,
)


@pytest.mark.parametrize(
    ("value", "digits"),
    [(0, "0"), (-3, "-3"), (1e-7, "0.0000001"), (1773500966.535897, "1773500966.535897")],
)
def test_a_number_is_written_in_plain_digits(value: float, digits: str) -> None:
    assert number(value) == {"N": digits}


def test_what_was_put_in_comes_out() -> None:
    item = {"s": text("é"), "n": number(2), "b": binary(b"\x00")}
    assert (text_of(item, "s"), number_of(item, "n"), binary_of(item, "b")) == (
        "é",
        Decimal(2),
        b"\x00",
    )


def test_another_type_or_nothing_is_none() -> None:
    item = {"s": text("2")}
    assert number_of(item, "s") is None
    assert binary_of(item, "s") is None
    assert text_of(item, "missing") is None


def test_the_size_counts_names_and_values_in_bytes() -> None:
    assert item_bytes({}) == 0
    assert item_bytes({"id": text("é")}) == 2 + 2
    assert item_bytes({"id": text("ab"), "result": binary(b"123")}) == 2 + 2 + 6 + 3
    assert item_bytes({"n": number(1234)}) == 1 + 3


def test_attributes_that_others_wrote_have_a_size_too() -> None:
    assert item_bytes({"f": {"BOOL": True}, "n": {"NULL": True}}) == 2 * (1 + 1)
    assert item_bytes({"s": {"NS": ["1", "234"]}}) == 1 + 2 + 3
    assert item_bytes({"l": {"L": [{"S": "ab"}, {"NULL": True}]}}) == 1 + 3 + (2 + 1) + (1 + 1)
    assert item_bytes({"m": {"M": {"key": {"B": b"123"}}}}) == 1 + 3 + 3 + (3 + 1)
