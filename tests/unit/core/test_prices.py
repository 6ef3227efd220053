from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.prices import (
    Allowance,
    Confidence,
    Price,
    PriceBook,
    Quantity,
    Tier,
    Unit,
)
from celery_aws.errors import PriceUnknownError, UnitsMixedError

SQS = Price(
    key="sqs.standard",
    region="us-east-1",
    unit=Unit.REQUEST,
    per=1_000_000,
    tiers=(Tier(0, 0.40), Tier(100e9, 0.30), Tier(200e9, 0.24)),
    source="the Price List",
    as_of=date(2026, 9, 11),
    confidence=Confidence.QUOTED,
)
NODE = replace(SQS, key="node", unit=Unit.HOUR, per=1, tiers=(Tier(0, 0.016),))


def requests(amount: float) -> Quantity:
    return Quantity(amount, Unit.REQUEST)


@pytest.mark.parametrize(
    ("millions", "dollars"),
    [(0, 0.0), (1, 0.40), (10.5, 4.20), (100_000, 40_000.0), (250_000, 40_000 + 30_000 + 12_000)],
)
def test_each_tier_has_its_own_price(millions: float, dollars: float) -> None:
    assert SQS.dollars(requests(millions * 1e6)) == pytest.approx(dollars)


def test_a_month_of_a_node() -> None:
    assert NODE.dollars(Quantity(730, Unit.HOUR)) == pytest.approx(11.68)


def test_units_never_mix() -> None:
    with pytest.raises(UnitsMixedError, match="requests are no hours"):
        NODE.dollars(requests(1))
    for mix in (Quantity.__add__, Quantity.less, Quantity.smaller):
        with pytest.raises(UnitsMixedError):
            mix(requests(1), Quantity(1, Unit.HOUR))


@given(st.sampled_from(list(Unit)), st.sampled_from(list(Unit)), st.floats(0, 1e12))
def test_a_price_takes_its_own_unit_and_no_other(ours: Unit, theirs: Unit, amount: float) -> None:
    price = replace(NODE, unit=ours)
    quantity = Quantity(amount, theirs)
    if ours is theirs:
        assert price.dollars(quantity) >= 0
    else:
        with pytest.raises(UnitsMixedError):
            price.dollars(quantity)


@given(st.floats(0, 1e12), st.floats(0, 1e12))
def test_more_never_costs_less(one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert SQS.dollars(requests(less)) <= SQS.dollars(requests(more)) * (1 + 1e-12)


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_there_is_no_such_quantity(amount: float) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        requests(amount)


def test_nothing_is_left_when_more_is_taken_away() -> None:
    assert requests(5).less(requests(7)) == requests(0)
    assert requests(5).smaller(requests(7)) == requests(5)


@pytest.mark.parametrize(
    "changes",
    [
        {"tiers": ()},
        {"tiers": (Tier(1, 0.4),)},
        {"tiers": (Tier(0, 0.4), Tier(0, 0.3))},
        {"tiers": (Tier(0, -0.4),)},
        {"per": 0},
        {"per": float("nan")},
    ],
)
def test_there_is_no_such_price(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"sqs\.standard in"):
        replace(SQS, **changes)  # type: ignore[arg-type]


def test_a_price_is_old_after_half_a_year() -> None:
    assert not SQS.is_old(date(2027, 3, 10))
    assert SQS.is_old(date(2027, 3, 11))


def test_what_is_not_known_is_not_guessed() -> None:
    book = PriceBook(prices=(SQS,))
    assert book.price("sqs.standard", "us-east-1") is SQS
    assert book.find("sqs.fifo", "us-east-1") is None
    with pytest.raises(PriceUnknownError, match=r"no price for sqs\.standard in eu-west-1"):
        book.price("sqs.standard", "eu-west-1")


def test_a_newer_price_takes_the_place_of_the_old_one() -> None:
    newer = replace(SQS, tiers=(Tier(0, 0.35),))
    book = PriceBook(prices=(SQS, NODE)).replaced_by([newer])
    assert book.price("sqs.standard", "us-east-1") is newer
    assert book.price("node", "us-east-1") is NODE


def test_a_price_is_free_once() -> None:
    free = Allowance(
        key="a", covers=("node",), quantity=requests(1), source="", as_of=date(2026, 9, 11)
    )
    with pytest.raises(ValueError, match="two free allowances"):
        PriceBook(prices=(NODE,), allowances=(free, replace(free, key="b")))
    with pytest.raises(ValueError, match="twice"):
        PriceBook(prices=(NODE, NODE))
