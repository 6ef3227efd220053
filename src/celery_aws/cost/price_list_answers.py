"""From products of the AWS Price List to one price, or to the reason why there is none.

Nothing is guessed: no product, several, another unit or currency, or tiers with a gap are refused.
What is free by account is not in the list for each service: allowances are kept by hand, and a
first tier that costs nothing is left out where there is one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from celery_aws.core.prices import Confidence, Price, Tier
from celery_aws.cost.price_list_questions import UNIT_NAMES, Question

#: Digits of a dollar that are kept: AWS writes ten, of a single request.
_DIGITS: Final = 12

_ENDLESS: Final = "Inf"


@dataclass(frozen=True)
class Refusal:
    """Why an answer gives no price."""

    reason: str


def price_of(
    question: Question,
    products: Iterable[Mapping[str, Any]],
    *,
    region: str,
    skip_free_tier: bool,
) -> Price | Refusal:
    """Return the one price that products tell.

    Args:
        question: what was asked.
        products: of any region, as AWS has them.
        region: of the price.
        skip_free_tier: a first tier that costs nothing is an allowance that is kept elsewhere.
    """
    try:
        wanted = [each for each in products if _is_wanted(question, each, region)]
        if len(wanted) != 1:
            return Refusal(_not_one(wanted))
        return _price(question, wanted[0], region=region, skip_free_tier=skip_free_tier)
    except _UnusableError as error:
        return Refusal(str(error))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return Refusal(f"AWS's answer has another form: {type(error).__name__}: {error}")


def regions_of(products: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the regions of products; of those that have none nothing is said."""
    found = {str(_attributes(each).get("regionCode", "")) for each in products}
    return {region for region in found if region}


class _UnusableError(Exception):
    """What an answer lacks."""


def _is_wanted(question: Question, product: Mapping[str, Any], region: str) -> bool:
    attributes = _attributes(product)
    in_region = attributes.get("locationType", "AWS Region") == "AWS Region"
    here = attributes.get("regionCode") == region
    return in_region and here and question.wants(str(attributes.get("usagetype", "")))


def _attributes(product: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = product["product"]["attributes"]
    return found


def _not_one(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return "no product matches"
    names = sorted(str(_attributes(each).get("usagetype")) for each in found)
    return f"{len(found)} products match: {', '.join(names[:4])}"


def _price(
    question: Question, product: Mapping[str, Any], *, region: str, skip_free_tier: bool
) -> Price:
    (term,) = product["terms"]["OnDemand"].values()
    dimensions = sorted(
        term["priceDimensions"].values(), key=lambda each: float(each["beginRange"])
    )
    _check_units(question, dimensions)
    tiers = _tiers(dimensions, question.per)
    # All that is asked for is paid: what costs nothing is an allowance's own product.
    if not any(tier.dollars for tier in tiers):
        raise _UnusableError("it costs nothing")
    if skip_free_tier and len(tiers) > 1 and tiers[0].dollars == 0:
        tiers = (Tier(0.0, tiers[1].dollars), *tiers[2:])
    published = date.fromisoformat(str(product["publicationDate"])[:10])
    return Price(
        key=question.key,
        region=region,
        unit=question.unit,
        per=question.per,
        tiers=tiers,
        source=f"AWS Price List, {question.service_code}, version {product['version']}",
        as_of=published,
        confidence=Confidence.LIVE,
    )


def _check_units(question: Question, dimensions: Sequence[Mapping[str, Any]]) -> None:
    for each in dimensions:
        name = str(each["unit"])
        if name.lower() not in UNIT_NAMES[question.unit]:
            raise _UnusableError(f"it is billed by {name!r}, and not by {question.unit.value}s")


def _tiers(dimensions: Sequence[Mapping[str, Any]], per: float) -> tuple[Tier, ...]:
    if not dimensions:
        raise _UnusableError("it has no price")
    ends = [each["endRange"] for each in dimensions]
    firsts = [float(each["beginRange"]) for each in dimensions]
    whole = firsts[0] == 0 and ends[-1] == _ENDLESS
    if not whole or [float(end) for end in ends[:-1]] != firsts[1:]:
        raise _UnusableError("its tiers have a gap")
    return tuple(
        Tier(first, round(_dollars(each) * per, _DIGITS))
        for first, each in zip(firsts, dimensions, strict=True)
    )


def _dollars(dimension: Mapping[str, Any]) -> float:
    prices = dimension["pricePerUnit"]
    if "USD" not in prices:
        raise _UnusableError(f"its price is in {', '.join(prices)}, and not in USD")
    return float(prices["USD"])
