"""A comparison for programs: everything in dollars, and the sums in another currency too."""

from dataclasses import fields
from datetime import date
from enum import Enum
from typing import Any

from celery_aws.core.prices import Price
from celery_aws.cost.advice import price_remarks, remarks, sqs_is_it, used_prices, verdict
from celery_aws.cost.bill import Bill, Line
from celery_aws.cost.comparison import Comparison, Offered, Pair
from celery_aws.cost.money import DOLLARS, Currency
from celery_aws.cost.observation import Observation
from celery_aws.cost.workload import Workload


def comparison_facts(
    comparison: Comparison, *, today: date, currency: Currency = DOLLARS
) -> dict[str, Any]:
    """Return a comparison in a form for JSON."""
    cheapest = comparison.cheapest
    return {
        "workload": workload_facts(comparison.workload),
        "currency": {"code": currency.code, "rate": currency.rate},
        "free_tier": comparison.free_tier,
        "sqs_is_it": sqs_is_it(comparison),
        "verdict": verdict(comparison, currency),
        "cheapest": None if cheapest is None else cheapest.name,
        "brokers": [_offered(each, currency) for each in comparison.brokers],
        "results": [_offered(each, currency) for each in comparison.stores],
        "pairs": [_pair(each, currency) for each in comparison.pairs],
        "ours": _pair(comparison.ours, currency),
        "stock": _pair(comparison.stock, currency),
        "break_evens": [
            {
                "other": each.other.name,
                "tasks": each.point.at,
                "cheaper_below": each.point.cheaper_before,
            }
            for each in comparison.crossings
        ],
        "remarks": [*remarks(comparison), *price_remarks(comparison, today)],
        "prices": [_price(price, today) for price in used_prices(comparison)],
    }


def workload_facts(workload: Workload) -> dict[str, Any]:
    """Return a workload by the names of its fields."""
    values = {each.name: getattr(workload, each.name) for each in fields(Workload)}
    return {
        name: value.value if isinstance(value, Enum) else value for name, value in values.items()
    }


def bill_facts(bill: Bill, currency: Currency = DOLLARS) -> dict[str, Any]:
    """Return a bill with its lines."""
    return {
        "dollars": bill.dollars,
        "amount": currency.amount(bill.dollars),
        "complete": bill.complete,
        "missing_prices": list(bill.missing),
        "estimated": bill.estimated,
        "lines": [_line(line) for line in bill.lines],
    }


def observation_facts(
    observation: Observation, measured: Bill, currency: Currency = DOLLARS
) -> dict[str, Any]:
    """Return where a workload comes from, and what the observed requests cost in a month."""
    return {
        "source": observation.source,
        "seconds": observation.seconds,
        "workload": dict(observation.workload),
        "remarks": list(observation.remarks),
        "month": bill_facts(measured, currency) if observation.items else None,
    }


def _offered(each: Offered, currency: Currency) -> dict[str, Any]:
    return {
        "name": each.offer.name,
        "title": each.offer.title,
        "objections": list(each.offer.objections),
        **bill_facts(each.bill, currency),
    }


def _pair(pair: Pair, currency: Currency) -> dict[str, Any]:
    return {
        "name": pair.name,
        "title": pair.title,
        "objections": list(pair.objections),
        "dollars": pair.bill.dollars,
        "amount": currency.amount(pair.bill.dollars),
        "complete": pair.bill.complete,
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "what": line.item.what,
        "price": line.item.price_key,
        "quantity": line.item.quantity.amount,
        "unit": line.item.quantity.unit.value,
        "free": line.free.amount,
        "dollars": None if line.price is None else line.dollars,
        "as_of": None if line.price is None else line.price.as_of.isoformat(),
        "source": None if line.price is None else line.price.source,
    }


def _price(price: Price, today: date) -> dict[str, Any]:
    return {
        "key": price.key,
        "region": price.region,
        "unit": price.unit.value,
        "per": price.per,
        "tiers": [{"first": tier.first, "dollars": tier.dollars} for tier in price.tiers],
        "as_of": price.as_of.isoformat(),
        "old": price.is_old(today),
        "confidence": price.confidence.value,
        "source": price.source,
        "note": price.note,
    }
