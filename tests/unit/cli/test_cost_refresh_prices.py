import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from celery_aws.cli import cost_refresh_prices
from celery_aws.cli.group import aws
from celery_aws.errors import AccessDeniedError
from tests.unit.cost.price_list import RecordedPriceList


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    answer_with(monkeypatch, RecordedPriceList())
    return tmp_path / "celery-aws" / "prices.json"


def answer_with(monkeypatch: pytest.MonkeyPatch, service: Any) -> None:
    monkeypatch.setattr(cost_refresh_prices, "service", lambda _: service)


def cost(*arguments: str) -> Result:
    return CliRunner().invoke(aws, ["cost", *arguments])


def rows(path: Path) -> dict[tuple[str, str], Any]:
    return {(row["key"], row["region"]): row for row in json.loads(path.read_text())["prices"]}


def test_new_prices_are_where_compare_finds_them(file: Path) -> None:
    ended = cost("refresh-prices", "--region", "us-east-1")
    assert ended.exit_code == 0, ended.output
    assert "sqs.standard in us-east-1: 0.4 / 0.3 / 0.24 of 2026-11-20 (before: " in ended.stdout
    assert str(file) in ended.stderr
    compared = json.loads(cost("compare", "--tasks", "1e6", "--json").stdout)
    live = {row["key"] for row in compared["prices"] if row["confidence"] == "live"}
    assert {"sqs.standard", "dynamodb.write", "mq.rabbitmq.storage"} <= live
    assert all(row["as_of"] == "2026-11-20" for row in compared["prices"] if row["key"] in live)


def test_nodes_that_the_package_has_no_price_of(file: Path) -> None:
    def valkey() -> Any:
        told = cost("compare", "--node", "cache.m7g.large", "--json")
        brokers = json.loads(told.stdout)["brokers"]
        return next(each for each in brokers if each["name"] == "elasticache-valkey")

    assert valkey()["missing_prices"] == ["elasticache.valkey.cache.m7g.large"]
    cost("refresh-prices", "--region", "us-east-1")
    assert valkey()["complete"]


def test_what_was_refreshed_before_stays(file: Path) -> None:
    cost("refresh-prices", "--region", "us-east-1")
    assert cost("refresh-prices", "--region", "ap-northeast-1").exit_code == 0
    assert {region for _, region in rows(file)} == {"us-east-1", "ap-northeast-1"}


def test_what_is_not_told_keeps_its_day(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_sqs(products: list[Any]) -> list[Any]:
        return [each for each in products if each["serviceCode"] != "AWSQueueService"]

    answer_with(monkeypatch, RecordedPriceList(without_sqs))
    ended = cost("refresh-prices", "--region", "us-east-1", "--json")
    assert ended.exit_code == 1
    told = {row["key"]: row for row in json.loads(ended.stdout)["prices"]}
    assert told["sqs.standard"] == {
        "key": "sqs.standard",
        "region": "us-east-1",
        "renewed": False,
        "dollars": [0.40, 0.30, 0.24],
        "per": 1_000_000,
        "as_of": "2026-10-08",
        "source": told["sqs.standard"]["source"],
        "reason": "no product matches",
    }
    assert told["dynamodb.write"]["renewed"] is True
    assert ("sqs.standard", "us-east-1") not in rows(file)


def test_every_region_that_there_is(file: Path) -> None:
    assert cost("refresh-prices", "--region", "all").exit_code == 0
    assert {region for _, region in rows(file)} == {"us-east-1", "ap-northeast-1"}


def test_another_place(file: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    assert cost("refresh-prices", "--output", str(there)).exit_code == 0
    assert rows(there)
    assert not file.exists()
    nowhere = tmp_path / "there.json" / "prices.json"
    assert cost("refresh-prices", "--output", str(nowhere)).exit_code == 2


def test_nothing_is_written_where_aws_refuses(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def products(self, *_: object) -> Any:
            raise AccessDeniedError(
                "not you", service="pricing", operation="GetProducts", code="X", resource="Y"
            )

    answer_with(monkeypatch, Refusing())
    ended = cost("refresh-prices")
    assert ended.exit_code == 3
    assert "not you" in ended.stderr
    assert not file.exists()
    answer_with(monkeypatch, RecordedPriceList(lambda _: []))
    ended = cost("refresh-prices", "--region", "us-east-1")
    assert ended.exit_code == 1
    assert "nothing was written" in ended.stderr
    assert not file.exists()


def test_a_file_that_is_none_is_neither_taken_nor_overwritten(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    for arguments in (["refresh-prices", "--region", "us-east-1"], ["compare"]):
        ended = cost(*arguments)
        assert ended.exit_code == 2
        # What it says is of use: the file is in the way of its own renewal.
        assert "Remove it, and make it again" in ended.stderr
    assert file.read_text() == "mine"
    file.unlink()
    assert cost("refresh-prices", "--region", "us-east-1").exit_code == 0
