"""A bill: lines that each say what, how many, at which price, from which source and day.

Free allowances are taken off once, over all lines together: what is to be added up must be in one
bill. A price that is not known makes no line, and the bill says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from celery_aws.core.prices import Confidence, Price, PriceBook, Quantity

_NOTHING: Final = 0.0


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something that is used in a month.

    Attributes:
        what: in words, such as ``sends``.
        price_key: what it is billed as.
        quantity: of a month.
    """

    what: str
    price_key: str
    quantity: Quantity


@dataclass(frozen=True, kw_only=True)
class Line:
    """An item with its price.

    Attributes:
        item: what it is for.
        free: how much of it an allowance covers.
        price: None if it is not known.
        dollars: what remains costs; 0 if the price is not known.
    """

    item: Item
    free: Quantity
    price: Price | None
    dollars: float


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What a month costs in one region, before tax.

    Attributes:
        lines: items of which nothing is used are left out.
        region: AWS's name of it.
    """

    lines: tuple[Line, ...]
    region: str

    @property
    def dollars(self) -> float:
        """The sum of what has a price."""
        return sum((line.dollars for line in self.lines), _NOTHING)

    @property
    def missing(self) -> tuple[str, ...]:
        """Keys of the prices that are not known."""
        return tuple(
            dict.fromkeys(line.item.price_key for line in self.lines if line.price is None)
        )

    @property
    def complete(self) -> bool:
        """True if everything has a price."""
        return not self.missing

    @property
    def unknown(self) -> bool:
        """True if nothing of it has a price."""
        return bool(self.lines) and all(line.price is None for line in self.lines)

    @property
    def prices(self) -> tuple[Price, ...]:
        """The prices that it is made with, each once."""
        return tuple(dict.fromkeys(line.price for line in self.lines if line.price is not None))

    @property
    def estimated(self) -> bool:
        """True if one of its prices is not verified."""
        return any(price.confidence is Confidence.ESTIMATED for price in self.prices)


def bill_of(items: Iterable[Item], book: PriceBook, region: str, *, free: bool = True) -> Bill:
    """Return the bill of a month.

    Args:
        items: everything that one account uses of it.
        book: the prices.
        region: where.
        free: take off what AWS gives for nothing; else somebody else has used it already.

    Raises:
        UnitsMixedError: an item is not of the unit that its price is for.
    """
    left = {key: each.quantity for each in book.allowances for key in each.covers if free}
    shared = {key: each.covers for each in book.allowances for key in each.covers}
    billed: dict[str, Quantity] = {}
    lines: list[Line] = []
    for item in items:
        if not item.quantity.amount:
            continue
        key, none = item.price_key, Quantity(0, item.quantity.unit)
        covered = item.quantity.smaller(left[key]) if key in left else none
        for other in shared.get(key, ()) if free else ():
            left[other] = left[other].less(covered)
        price = book.find(key, region)
        dollars = _NOTHING
        if price is not None:
            before = billed.get(key, none)
            after = billed[key] = before + item.quantity.less(covered)
            dollars = price.dollars(after) - price.dollars(before)
        lines.append(Line(item=item, free=covered, price=price, dollars=dollars))
    return Bill(lines=tuple(lines), region=region)
