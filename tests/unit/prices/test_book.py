from datetime import date
from pathlib import Path

import pytest

from celery_aws.core.prices import Confidence, Quantity, Unit
from celery_aws.errors import ConfigurationError
from celery_aws.prices import packaged_prices, prices_with
from celery_aws.prices.book import user_prices_path
from celery_aws.prices.file_format import dump_prices, parse_prices

BOTH = ("us-east-1", "ap-northeast-1")

#: By hand, of facts: dollars of so many.
KNOWN = [
    ("sqs.standard", "us-east-1", Quantity(1e6, Unit.REQUEST), 0.40),
    ("sqs.standard", "ap-northeast-1", Quantity(1e6, Unit.REQUEST), 0.40),
    ("sqs.fifo", "us-east-1", Quantity(1e6, Unit.REQUEST), 0.50),
    ("dynamodb.write", "us-east-1", Quantity(1e6, Unit.WRITE_UNIT), 0.625),
    ("dynamodb.write", "ap-northeast-1", Quantity(1e6, Unit.WRITE_UNIT), 0.715),
    ("dynamodb.read", "ap-northeast-1", Quantity(1e6, Unit.READ_UNIT), 0.1425),
    ("elasticache.valkey.cache.t4g.micro", "us-east-1", Quantity(730, Unit.HOUR), 9.34),
    ("elasticache.redis.cache.t4g.micro", "us-east-1", Quantity(730, Unit.HOUR), 11.68),
    ("elasticache.redis.cache.t3.micro", "us-east-1", Quantity(730, Unit.HOUR), 12.41),
    ("elasticache.valkey.cache.t4g.small", "us-east-1", Quantity(730, Unit.HOUR), 18.69),
    ("elasticache.redis.cache.t4g.small", "us-east-1", Quantity(730, Unit.HOUR), 23.36),
    ("elasticache.redis.cache.t3.small", "us-east-1", Quantity(730, Unit.HOUR), 24.82),
    ("elasticache.serverless.valkey.data", "us-east-1", Quantity(73, Unit.GIGABYTE_HOUR), 6.13),
    ("elasticache.serverless.redis.data", "us-east-1", Quantity(730, Unit.GIGABYTE_HOUR), 91.25),
    ("memorydb.redis.db.t4g.small", "us-east-1", Quantity(730, Unit.HOUR), 24.53),
    ("mq.rabbitmq.single.mq.m5.large", "us-east-1", Quantity(730, Unit.HOUR), 210.24),
    ("mq.rabbitmq.cluster.mq.m5.large", "us-east-1", Quantity(730, Unit.HOUR), 630.72),
    ("rds.postgresql.single.db.t4g.micro", "us-east-1", Quantity(730, Unit.HOUR), 11.68),
    ("rds.postgresql.storage.single", "us-east-1", Quantity(20, Unit.GIGABYTE_MONTH), 2.30),
    ("elasticache.valkey.cache.t4g.micro", "ap-northeast-1", Quantity(730, Unit.HOUR), 14.60),
    ("elasticache.redis.cache.t4g.micro", "ap-northeast-1", Quantity(730, Unit.HOUR), 18.25),
    ("elasticache.redis.cache.t3.micro", "ap-northeast-1", Quantity(730, Unit.HOUR), 18.98),
    ("elasticache.redis.cache.t4g.micro", "ap-northeast-1", Quantity(1460, Unit.HOUR), 36.50),
    ("rds.postgresql.single.db.t4g.micro", "ap-northeast-1", Quantity(730, Unit.HOUR), 18.25),
    ("vpc.endpoint.hour", "us-east-1", Quantity(730, Unit.HOUR), 7.30),
    ("vpc.endpoint.hour", "ap-northeast-1", Quantity(730, Unit.HOUR), 10.22),
]


@pytest.mark.parametrize(("key", "region", "quantity", "dollars"), KNOWN)
def test_figures_computed_by_hand(
    key: str, region: str, quantity: Quantity, dollars: float
) -> None:
    price = packaged_prices().price(key, region)
    assert price.dollars(quantity) == pytest.approx(dollars, abs=0.0051)


def test_every_price_says_where_it_is_from_and_of_which_day() -> None:
    for price in packaged_prices().prices:
        assert price.region in BOTH
        assert price.source
        assert date(2024, 1, 1) < price.as_of <= date(2026, 11, 22)
        # None was read from AWS: what says so was refreshed by somebody.
        assert price.confidence is not Confidence.LIVE
        if price.confidence is Confidence.ESTIMATED:
            assert "verified" in price.source or "estimates" in price.source


def test_what_is_free_is_of_prices_that_exist() -> None:
    book = packaged_prices()
    for allowance in book.allowances:
        for key in allowance.covers:
            assert book.price(key, "us-east-1").unit is allowance.quantity.unit


def test_a_file_is_read_as_it_was_written() -> None:
    prices = packaged_prices().prices
    assert parse_prices(dump_prices(prices), where="x").prices == tuple(prices)


def test_the_file_of_the_user_is_stronger(tmp_path: Path) -> None:
    text = dump_prices([packaged_prices().price("sqs.standard", "us-east-1")])
    path = tmp_path / "prices.json"
    path.write_text(
        text.replace("us-east-1", "eu-west-1").replace('"dollars": 0.4', '"dollars": 9')
    )
    book = prices_with(path)
    assert book.price("sqs.standard", "eu-west-1").tiers[0].dollars == 9
    assert book.price("sqs.standard", "us-east-1").tiers[0].dollars == 0.4
    assert prices_with(None) is packaged_prices()


_HUGE = (
    '{"format": 1, "prices": [{"key": "a", "region": "b", "unit": "hour", "per": 1'
    + "0" * 400
    + "}]}"
)


@pytest.mark.parametrize(
    "text",
    [
        _HUGE,
        "",
        "[]",
        "{}",
        '{"format": 2, "prices": []}',
        '{"format": 1, "prices": [{"key": "a"}]}',
    ],
)
def test_what_is_no_file_of_prices(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="no file of prices"):
        prices_with(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        prices_with(tmp_path / "missing.json")


def test_where_the_file_of_the_user_is() -> None:
    there = user_prices_path({"XDG_DATA_HOME": "/somewhere"})
    assert there == Path("/somewhere/celery-aws/prices.json")
    home = Path.home() / ".local/share/celery-aws/prices.json"
    assert user_prices_path({}) == home
    assert user_prices_path({"XDG_DATA_HOME": "relative"}) == home
