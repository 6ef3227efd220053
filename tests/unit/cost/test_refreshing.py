"""Answers that give no price: the old one is kept, with its day, and the reason is told."""

from collections.abc import Callable
from typing import Any

import pytest

from celery_aws.cost.price_list_questions import questions
from celery_aws.cost.refreshing import Refreshed, Refresher
from celery_aws.errors import AccessDeniedError, InvalidRequestError, ThrottledError
from celery_aws.prices import packaged_prices

from .price_list import RecordedPriceList

BOOK = packaged_prices()
US = "us-east-1"
KEYS = ("sqs.standard", "dynamodb.write", "elasticache.redis.cache.t4g.micro")


def refreshed(change: Callable[[list[Any]], list[Any]], key: str) -> Refreshed:
    (question,) = (each for each in questions() if each.key == key)
    refresher = Refresher(
        service=RecordedPriceList(change), book=BOOK, regions=(US,), asked=[question]
    )
    ((found,),) = refresher.refreshed()
    return found


def each_dimension(change: Callable[[dict[str, Any]], None]) -> Callable[[list[Any]], list[Any]]:
    def changed(products: list[Any]) -> list[Any]:
        for product in products:
            for term in product["terms"]["OnDemand"].values():
                for dimension in term["priceDimensions"].values():
                    change(dimension)
        return products

    return changed


def each_product(change: Callable[[dict[str, Any]], Any]) -> Callable[[list[Any]], list[Any]]:
    def changed(products: list[Any]) -> list[Any]:
        for product in products:
            change(product)
        return products

    return changed


UNUSABLE = {
    "none": (lambda products: [], "no product matches"),
    "two": (lambda products: [*products, *products], "2 products match"),
    "another unit": (
        each_dimension(lambda each: each.update(unit="Quux")),
        "it is billed by 'Quux'",
    ),
    "another currency": (
        each_dimension(lambda each: each.update(pricePerUnit={"CNY": "1.0"})),
        "its price is in CNY",
    ),
    "a price of nothing": (
        each_dimension(lambda each: each.update(pricePerUnit={"USD": "0.0000000000"})),
        "it costs nothing",
    ),
    "a gap": (each_dimension(lambda each: each.update(endRange="7")), "tiers have a gap"),
    "no number": (
        each_dimension(lambda each: each.update(pricePerUnit={"USD": "free"})),
        "has another form: ValueError",
    ),
    "negative": (
        each_dimension(lambda each: each.update(pricePerUnit={"USD": "-1"})),
        "has another form: ValueError",
    ),
    "not finite": (
        each_dimension(lambda each: each.update(pricePerUnit={"USD": "NaN"})),
        "has another form: ValueError",
    ),
    "no terms": (each_product(lambda each: each.pop("terms")), "has another form: KeyError"),
    "two terms": (
        each_product(lambda each: each["terms"].update(OnDemand={"a": {}, "b": {}})),
        "has another form: ValueError",
    ),
    "no dimensions": (
        each_product(lambda each: each["terms"].update(OnDemand={"a": {"priceDimensions": {}}})),
        "it has no price",
    ),
    "no day": (
        each_product(lambda each: each.update(publicationDate="soon")),
        "has another form: ValueError",
    ),
    "no attributes": (each_product(lambda each: each.pop("product")), "has another form"),
    "no objects": (lambda products: ["x"], "has another form"),
    "elsewhere": (
        each_product(
            lambda each: each["product"]["attributes"].update(locationType="AWS Local Zone")
        ),
        "no product matches",
    ),
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", UNUSABLE)
def test_the_old_price_is_kept_and_the_reason_is_told(name: str, key: str) -> None:
    change, reason = UNUSABLE[name]
    found = refreshed(change, key)
    assert found.price is None
    assert found.old is BOOK.price(key, US)
    assert reason in found.reason


class Refusing:
    """Refuses everything in one way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def products(self, *_: object) -> list[Any]:
        raise self._error


def of(cls: type[Any]) -> Any:
    return cls("it is so", service="pricing", operation="GetProducts", code="X", resource="Y")


@pytest.mark.parametrize("cls", [ThrottledError, InvalidRequestError])
def test_what_may_be_better_with_the_next_question_ends_nothing(cls: type[Any]) -> None:
    found = [
        each
        for part in Refresher(service=Refusing(of(cls)), book=BOOK, regions=(US,)).refreshed()
        for each in part
    ]
    assert len(found) == len(questions())
    assert all(each.price is None and "it is so" in each.reason for each in found)


def test_what_cannot_get_better_ends_it() -> None:
    refresher = Refresher(service=Refusing(of(AccessDeniedError)), book=BOOK, regions=(US,))
    with pytest.raises(AccessDeniedError):
        list(refresher.refreshed())


def test_without_an_old_price_there_is_none() -> None:
    found = refreshed(lambda products: [], "mq.rabbitmq.single.mq.m7g.large")
    assert found.price is None
    assert found.old is None
