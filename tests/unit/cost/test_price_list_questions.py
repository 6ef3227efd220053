from datetime import date

import pytest

from celery_aws.core.prices import Confidence, Price
from celery_aws.cost.price_list_questions import UNIT_NAMES, Question, questions
from celery_aws.cost.refreshing import Refreshed, Refresher
from celery_aws.prices import packaged_prices

from .price_list import GOLDEN, RecordedPriceList

BOOK = packaged_prices()
US, TOKYO = "us-east-1", "ap-northeast-1"

#: Prices that are not asked for, because nobody knows where they are.
NOT_ASKED = {"cloudwatch.logs"}


def found_in(*regions: str) -> dict[tuple[str, str], Refreshed]:
    refresher = Refresher(service=RecordedPriceList(), book=BOOK, regions=regions)
    return {(each.key, each.region): each for part in refresher.refreshed() for each in part}


def test_every_price_is_asked_for_in_the_unit_that_it_has() -> None:
    asked = {question.key: question for question in questions()}
    assert len(asked) == len(questions())
    for price in BOOK.prices:
        if price.key not in NOT_ASKED:
            assert asked[price.key].unit is price.unit
            assert asked[price.key].per == price.per
    assert {question.unit for question in questions()} <= set(UNIT_NAMES)


def test_every_service_has_its_golden_file() -> None:
    services = {question.service_code for question in questions()}
    assert {path.stem for path in GOLDEN.glob("*.json")} == services


@pytest.mark.parametrize("question", questions(), ids=lambda question: question.key)
def test_one_product_is_found_among_those_that_are_like_it(question: Question) -> None:
    for region in (US, TOKYO):
        refresher = Refresher(
            service=RecordedPriceList(), book=BOOK, regions=(region,), asked=[question]
        )
        ((found,),) = refresher.refreshed()
        assert found.price is not None, found.reason
        assert found.price.confidence is Confidence.LIVE
        assert found.price.as_of == date(2026, 11, 20)
        assert "version 20261120104500" in found.price.source
        assert found.price.region == region


def test_prices_are_those_of_the_answers() -> None:
    found = found_in(US, TOKYO)

    def price(key: str, region: str = US) -> Price:
        told = found[key, region].price
        assert told is not None
        return told

    assert [tier.dollars for tier in price("sqs.standard").tiers] == [0.40, 0.30, 0.24]
    assert [tier.first for tier in price("sqs.standard").tiers] == [0, 100e9, 200e9]
    assert price("dynamodb.write").tiers[0].dollars == 0.625
    assert price("elasticache.redis.cache.t3.micro").tiers[0].dollars == 0.017
    assert price("elasticache.valkey.cache.t4g.micro", TOKYO).tiers[0].dollars == 0.01408
    assert price("mq.rabbitmq.cluster.mq.m5.large").tiers[0].dollars == 0.864
    assert price("rds.postgresql.multi.db.t4g.micro").tiers[0].dollars == 0.032
    assert price("vpc.endpoint.hour", TOKYO).tiers[0].dollars == 0.014


def test_what_is_free_is_not_taken_off_twice() -> None:
    found = found_in(US)
    for allowance in BOOK.allowances:
        for key in allowance.covers:
            price = found[key, US].price
            assert price is not None
            assert price.tiers[0].first == 0
            assert price.tiers[0].dollars > 0, key


def test_one_region_is_asked_for_alone_and_many_at_once() -> None:
    one, many = RecordedPriceList(), RecordedPriceList()
    list(Refresher(service=one, book=BOOK, regions=(US,)).refreshed())
    list(Refresher(service=many, book=BOOK, regions=(US, TOKYO)).refreshed())
    assert len(one.asked) == len(many.asked) == len(questions())
    assert all(attributes["regionCode"] == US for _, attributes in one.asked)
    assert not any("regionCode" in attributes for _, attributes in many.asked)


def test_regions_that_nobody_named_are_those_of_the_answers() -> None:
    def moved(products: list[dict[str, dict[str, dict[str, str]]]]) -> list[object]:
        for each in products:
            if each["product"]["attributes"]["regionCode"] == TOKYO:
                each["product"]["attributes"]["regionCode"] = "eu-west-1"
        return list(products)

    refresher = Refresher(service=RecordedPriceList(moved), book=BOOK, regions=())
    found = [each for part in refresher.refreshed() for each in part]
    assert {each.region for each in found} == {US, TOKYO, "eu-west-1"}
    renewed = {each.region for each in found if each.price is not None}
    assert renewed == {US, "eu-west-1"}
