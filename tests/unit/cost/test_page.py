"""The figures of docs/explanation/cost.md are what the tool says today."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from celery_aws.cost.advice import sqs_is_it, verdict
from celery_aws.cost.comparison import Comparer
from celery_aws.cost.workload import Workload
from celery_aws.cost.workload_fields import NetworkPath
from celery_aws.prices import packaged_prices

PAGE = (Path(__file__).parents[3] / "docs" / "explanation" / "cost.md").read_text()

#: The team that moved: Tokyo, two Redis micro nodes, under a million tasks a month.
ORIGIN = Workload(tasks=800_000, region="ap-northeast-1", highly_available=True)
COMPARER = Comparer(packaged_prices())


def cells(beginning: str) -> list[str]:
    """Return the cells of the table row that begins so."""
    (row,) = re.findall(rf"^\| {re.escape(beginning)}.*$", PAGE, re.MULTILINE)
    return [cell.strip() for cell in str(row).strip("|").split("|")]


@pytest.mark.parametrize(
    ("beginning", "pair"),
    [
        ("ElastiCache Redis OSS, two nodes", "elasticache-redis+elasticache-redis-same"),
        ("ElastiCache Valkey, two nodes", "elasticache-valkey+elasticache-valkey-same"),
        ("SQS, DynamoDB on demand", "sqs-standard+dynamodb"),
        ("SQS, DynamoDB with provisioned", "sqs-standard+dynamodb-provisioned"),
        ("SQS by kombu's own transport", "stock-sqs-standard+stock-dynamodb"),
    ],
)
def test_the_team_that_moved(beginning: str, pair: str) -> None:
    found = {each.name: each.bill.dollars for each in COMPARER.pairs(ORIGIN)}
    assert cells(beginning)[1] == f"{found[pair]:.2f}"


def test_what_they_save() -> None:
    found = COMPARER.compare(ORIGIN)
    redis = next(
        pair.bill.dollars
        for pair in found.pairs
        if pair.name == "elasticache-redis+elasticache-redis-same"
    )
    saved = redis - found.ours.bill.dollars
    assert redis == pytest.approx(36.50)
    assert f"saves {saved:.2f} a month, {12 * saved:.0f} a year" in PAGE
    assert sqs_is_it(found)
    assert verdict(found).startswith("SQS is it")


@pytest.mark.parametrize(
    ("beginning", "path"),
    [
        ("public addresses", NetworkPath.PUBLIC),
        ("a NAT gateway that is there", NetworkPath.SHARED_NAT),
        ("interface endpoints", NetworkPath.ENDPOINTS),
        ("a NAT gateway in each", NetworkPath.OWN_NAT),
    ],
)
def test_what_the_network_costs(beginning: str, path: NetworkPath) -> None:
    dollars = COMPARER.compare(replace(ORIGIN, network=path)).ours.bill.dollars
    assert cells(beginning)[1] == f"{dollars:.2f}"


@pytest.mark.parametrize(
    ("beginning", "broker", "available"),
    [
        ("Valkey, one", "elasticache-valkey", False),
        ("Redis OSS, one", "elasticache-redis", False),
        ("Valkey, two", "elasticache-valkey", True),
        ("Redis OSS, two", "elasticache-redis", True),
        ("RabbitMQ, one", "rabbitmq-small", False),
        ("RabbitMQ, three", "rabbitmq-cluster", True),
    ],
)
def test_where_others_are_cheaper(beginning: str, broker: str, available: bool) -> None:
    shown = cells(beginning)[1:3]
    for batched, told in zip((0.0, 1.0), shown, strict=True):
        workload = Workload(tasks=1e6, batched_share=batched, highly_available=available)
        at = next(
            each.point.at
            for each in COMPARER.compare(workload).crossings
            if each.other.broker.name == broker
        )
        assert at is not None
        assert float(told.replace(",", "")) == pytest.approx(at / 1e6, rel=0.01)
