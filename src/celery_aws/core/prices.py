"""Prices, quantities and free allowances, as values whose units cannot be mixed.

A price of a million requests and one of an hour never meet: what multiplies them looks at the
units. Nothing here knows where prices come from (:mod:`celery_aws.prices`) or what is bought
(:mod:`celery_aws.cost`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from math import inf, isfinite
from typing import Final

from celery_aws.errors import PriceUnknownError, UnitsMixedError

#: Hours of a month, as AWS counts what is billed by the hour.
MONTH_HOURS: Final = 730.0

#: Days after which a price is said to be old.
OLD_DAYS: Final = 180


class Unit(Enum):
    """What something is billed by."""

    REQUEST = "request"
    WRITE_UNIT = "write unit"
    READ_UNIT = "read unit"
    WRITE_CAPACITY_HOUR = "write capacity unit hour"
    READ_CAPACITY_HOUR = "read capacity unit hour"
    PROCESSING_UNIT = "ECPU"
    HOUR = "hour"
    GIGABYTE = "GB"
    GIGABYTE_HOUR = "GB hour"
    GIGABYTE_MONTH = "GB month"
    METRIC_MONTH = "metric month"
    ALARM_MONTH = "alarm month"


class Confidence(Enum):
    """How far a price can be believed."""

    #: Read from the AWS Price List.
    LIVE = "live"
    #: From a public file or page that quotes the Price List or AWS's own page, with its date.
    QUOTED = "quoted"
    #: Known to somebody or derived, and not verified.
    ESTIMATED = "estimated"


@dataclass(frozen=True)
class Quantity:
    """So many of a unit; never negative.

    Attributes:
        amount: how many.
        unit: of what.
    """

    amount: float
    unit: Unit

    def __post_init__(self) -> None:
        if not isfinite(self.amount) or self.amount < 0:
            raise ValueError(f"{self.amount} {self.unit.value}s is no quantity")

    def __add__(self, other: "Quantity") -> "Quantity":
        """Return both together.

        Raises:
            UnitsMixedError: the other one is of another unit.
        """
        check_unit(other, self.unit)
        return Quantity(self.amount + other.amount, self.unit)

    def less(self, other: "Quantity") -> "Quantity":
        """Return what is left when up to ``other`` is taken away; at least nothing."""
        check_unit(other, self.unit)
        return Quantity(max(0.0, self.amount - other.amount), self.unit)

    def smaller(self, other: "Quantity") -> "Quantity":
        """Return the smaller one of both."""
        check_unit(other, self.unit)
        return self if self.amount <= other.amount else other


@dataclass(frozen=True, order=True)
class Tier:
    """From which amount on a price holds.

    Attributes:
        first: amount of a month up to which the tiers before it hold.
        dollars: for :attr:`Price.per` units.
    """

    first: float
    dollars: float


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one thing costs in one region, before tax.

    Attributes:
        key: what it is the price of, such as ``sqs.standard``.
        region: AWS's name of it.
        unit: what is billed.
        per: the dollars of a tier are for so many units.
        tiers: the first one begins at 0.
        source: where it was read.
        as_of: of which day it is.
        confidence: how far it can be believed.
        note: what else is to be known.
    """

    key: str
    region: str
    unit: Unit
    per: float
    tiers: tuple[Tier, ...]
    source: str
    as_of: date
    confidence: Confidence
    note: str = ""

    def __post_init__(self) -> None:
        firsts = [tier.first for tier in self.tiers]
        if not firsts or firsts[0] != 0 or firsts != sorted(set(firsts)):
            raise ValueError(f"{self.key} in {self.region}: tiers from {firsts}")
        amounts = [self.per, *(1.0 + tier.dollars for tier in self.tiers)]
        if not all(isfinite(amount) and amount > 0 for amount in amounts):
            raise ValueError(f"{self.key} in {self.region}: no price")
        if any(tier.dollars < 0 for tier in self.tiers):
            raise ValueError(f"{self.key} in {self.region}: a negative price")

    def dollars(self, quantity: Quantity) -> float:
        """Return what a month's quantity costs.

        Raises:
            UnitsMixedError: the price is of another unit.
        """
        check_unit(quantity, self.unit)
        ends = [*(tier.first for tier in self.tiers[1:]), inf]
        return sum(
            max(0.0, min(quantity.amount, end) - tier.first) * tier.dollars / self.per
            for tier, end in zip(self.tiers, ends, strict=True)
        )

    def is_old(self, today: date) -> bool:
        """Tell whether it is older than :data:`OLD_DAYS`."""
        return (today - self.as_of).days > OLD_DAYS


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What AWS gives for nothing, once a month and account.

    Attributes:
        key: its name.
        covers: keys of the prices that it is taken off, in this order.
        quantity: of a month.
        source: where it was read.
        as_of: of which day it is.
    """

    key: str
    covers: tuple[str, ...]
    quantity: Quantity
    source: str
    as_of: date


@dataclass(frozen=True, kw_only=True)
class PriceBook:
    """Prices by key and region, and what is free.

    Attributes:
        prices: each (key, region) once.
        allowances: a price is in one of them at most.
    """

    prices: Sequence[Price]
    allowances: Sequence[Allowance] = ()
    _found: Mapping[tuple[str, str], Price] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = {(price.key, price.region): price for price in self.prices}
        if len(found) != len(self.prices):
            raise ValueError("a price is there twice")
        covered = [key for each in self.allowances for key in each.covers]
        if len(covered) != len(set(covered)):
            raise ValueError("a price has two free allowances")
        object.__setattr__(self, "_found", found)

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that it has any price of."""
        return tuple(sorted({price.region for price in self.prices}))

    def find(self, key: str, region: str) -> Price | None:
        """Return a price, if it is known."""
        return self._found.get((key, region))

    def price(self, key: str, region: str) -> Price:
        """Return a price.

        Raises:
            PriceUnknownError: it is not known, and nobody guesses.
        """
        found = self.find(key, region)
        if found is None:
            raise PriceUnknownError(key, region)
        return found

    def replaced_by(self, newer: Iterable[Price]) -> "PriceBook":
        """Return this book with other prices in the place of those with the same key and region."""
        prices = {**self._found, **{(price.key, price.region): price for price in newer}}
        return PriceBook(prices=tuple(prices.values()), allowances=self.allowances)


def check_unit(quantity: Quantity, unit: Unit) -> None:
    """Raise unless a quantity is of a unit.

    Raises:
        UnitsMixedError: it is of another one.
    """
    if quantity.unit is not unit:
        raise UnitsMixedError(quantity.unit.value, unit.value)
