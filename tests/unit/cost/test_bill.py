from dataclasses import replace
from datetime import date

import pytest

from celery_aws.core.prices import (
    Allowance,
    Confidence,
    Price,
    PriceBook,
    Quantity,
    Tier,
    Unit,
)
from celery_aws.cost.bill import Bill, Item, bill_of
from celery_aws.errors import UnitsMixedError

DAY = date(2026, 9, 11)
STANDARD = Price(
    key="sqs.standard",
    region="us-east-1",
    unit=Unit.REQUEST,
    per=1_000_000,
    tiers=(Tier(0, 0.40), Tier(2_000_000, 0.30)),
    source="the list",
    as_of=DAY,
    confidence=Confidence.QUOTED,
)
FIFO = replace(STANDARD, key="sqs.fifo", tiers=(Tier(0, 0.50),))
FREE = Allowance(
    key="free",
    covers=("sqs.standard", "sqs.fifo"),
    quantity=Quantity(1_000_000, Unit.REQUEST),
    source="the list",
    as_of=DAY,
)
BOOK = PriceBook(prices=(STANDARD, FIFO), allowances=(FREE,))


def item(key: str, millions: float, unit: Unit = Unit.REQUEST) -> Item:
    return Item(what=key, price_key=key, quantity=Quantity(millions * 1e6, unit))


def bill(*items: Item, free: bool = True) -> Bill:
    return bill_of(items, BOOK, "us-east-1", free=free)


def test_what_is_free_is_free_once_over_all_queues() -> None:
    both = bill(item("sqs.standard", 0.75), item("sqs.fifo", 0.75))
    assert [line.free.amount for line in both.lines] == [750_000, 250_000]
    assert both.dollars == pytest.approx(0.5 * 0.50)


def test_without_what_is_free() -> None:
    assert bill(item("sqs.standard", 1), item("sqs.fifo", 1), free=False).dollars == pytest.approx(
        0.90
    )


def test_lines_of_one_price_share_its_tiers() -> None:
    whole = bill(item("sqs.standard", 4), free=False)
    parts = bill(*(item("sqs.standard", 1) for _ in range(4)), free=False)
    assert whole.dollars == pytest.approx(2 * 0.40 + 2 * 0.30)
    assert parts.dollars == pytest.approx(whole.dollars)
    assert [line.dollars for line in parts.lines] == pytest.approx([0.4, 0.4, 0.3, 0.3])


def test_what_has_no_price_is_told_and_not_guessed() -> None:
    found = bill(item("sqs.standard", 2), item("sns.publish", 1))
    assert found.missing == ("sns.publish",)
    assert not found.complete
    assert not found.unknown
    assert bill(item("sns.publish", 1)).unknown


def test_nothing_costs_nothing_and_is_no_line() -> None:
    assert bill(item("sqs.standard", 0)) == Bill(lines=(), region="us-east-1")
    assert bill().dollars == 0
    assert bill().complete
    assert not bill().unknown


def test_an_item_is_billed_in_the_unit_of_its_price() -> None:
    with pytest.raises(UnitsMixedError):
        bill(item("sqs.fifo", 1, Unit.HOUR), free=False)
    with pytest.raises(UnitsMixedError):
        bill(item("sqs.fifo", 1, Unit.HOUR))
