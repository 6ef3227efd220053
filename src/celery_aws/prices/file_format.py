"""The file of prices: JSON, read and written here and nowhere else.

The format is public, because `cost refresh-prices` leaves such a file with the user.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from celery_aws.core.prices import (
    Allowance,
    Confidence,
    Price,
    PriceBook,
    Quantity,
    Tier,
    Unit,
)
from celery_aws.errors import ConfigurationError

#: Of the file; another one is refused.
FORMAT: Final = 1


def parse_prices(text: str, *, where: str) -> PriceBook:
    """Return the prices of a file.

    Args:
        text: the file.
        where: its name, for errors.

    Raises:
        ConfigurationError: it is no such file.
    """
    try:
        found = json.loads(text)
        _check_format(found["format"])
        return PriceBook(
            prices=tuple(_price(row) for row in found["prices"]),
            allowances=tuple(_allowance(row) for row in found.get("allowances", ())),
        )
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{where} is no file of prices: {type(error).__name__}: {error}. Remove it, and "
            "make it again by `celery-aws cost refresh-prices`",
            where=where,
        ) from error


def dump_prices(prices: Sequence[Price]) -> str:
    """Return the file of some prices, a line each."""
    ordered = sorted(prices, key=lambda price: (price.key, price.region))
    rows = ",\n".join(f"    {json.dumps(_row(price))}" for price in ordered)
    return f'{{\n  "format": {FORMAT},\n  "prices": [\n{rows}\n  ]\n}}\n'


def _check_format(found: Any) -> None:
    if found != FORMAT:
        raise ValueError(f"its format is {found}, and not {FORMAT}")


def _price(row: Mapping[str, Any]) -> Price:
    return Price(
        key=str(row["key"]),
        region=str(row["region"]),
        unit=Unit(row["unit"]),
        per=float(row["per"]),
        tiers=tuple(Tier(float(each["first"]), float(each["dollars"])) for each in row["tiers"]),
        source=str(row["source"]),
        as_of=date.fromisoformat(row["as_of"]),
        confidence=Confidence(row["confidence"]),
        note=str(row.get("note", "")),
    )


def _row(price: Price) -> dict[str, Any]:
    return {
        "key": price.key,
        "region": price.region,
        "unit": price.unit.value,
        "per": price.per,
        "tiers": [{"first": tier.first, "dollars": tier.dollars} for tier in price.tiers],
        "source": price.source,
        "as_of": price.as_of.isoformat(),
        "confidence": price.confidence.value,
        **({"note": price.note} if price.note else {}),
    }


def _allowance(row: Mapping[str, Any]) -> Allowance:
    return Allowance(
        key=str(row["key"]),
        covers=tuple(map(str, row["covers"])),
        quantity=Quantity(float(row["amount"]), Unit(row["unit"])),
        source=str(row["source"]),
        as_of=date.fromisoformat(row["as_of"]),
    )
