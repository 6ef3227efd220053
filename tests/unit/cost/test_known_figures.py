"""Monthly figures that were computed by others, and by hand: within 2 %."""

from dataclasses import replace

import pytest

from celery_aws.core.prices import MONTH_HOURS
from celery_aws.cost.bill import bill_of
from celery_aws.cost.comparison import Comparer, Pair
from celery_aws.cost.offers import Rates, brokers, stores
from celery_aws.cost.queue_broker import QueueKind, queue_items, stock_items
from celery_aws.cost.request_rates import OURS, STOCK, RequestRates
from celery_aws.cost.result_stores import stock_table_items, table_items
from celery_aws.cost.workload import Workload
from celery_aws.cost.workload_fields import NetworkPath
from celery_aws.prices import packaged_prices

BOOK = packaged_prices()

#: A month of 30 days with four pollers: the hours of the figures below.
POLLED = Workload(workers=4, hours=720, control=False)

#: The requests a task of the figures below.
STOCK_RATES = replace(STOCK, busy_receives=0.25)
BATCHED_RATES = replace(OURS, busy_receives=0.1)
ALL_BUSY = {"batched_share": 1.0, "busy_share": 1.0}


def sqs_dollars(workload: Workload, rates: RequestRates) -> float:
    items = stock_items(workload, QueueKind.STANDARD, rates)
    return bill_of(items, BOOK, workload.region).dollars


@pytest.mark.parametrize(
    ("tasks", "stock", "batched", "stock_table", "one_put"),
    [
        (100_000, 0.07, 0.00, 0.07, 0.06),
        (1_000_000, 0.88, 0.00, 0.75, 0.62),
        (10_000_000, 8.98, 1.01, 7.50, 6.25),
        (100_000_000, 89.98, 11.81, 75.00, 62.50),
    ],
)
def test_the_table_of_monthly_figures(
    tasks: float, stock: float, batched: float, stock_table: float, one_put: float
) -> None:
    # Two per cent, or the half cent by which the figures are rounded.
    def near(dollars: float) -> object:
        return pytest.approx(dollars, rel=0.02, abs=0.0051)

    workload = replace(POLLED, tasks=tasks, **ALL_BUSY)  # type: ignore[arg-type]
    assert sqs_dollars(workload, STOCK_RATES) == near(stock)
    assert sqs_dollars(workload, BATCHED_RATES) == near(batched)
    table = bill_of(stock_table_items(workload), BOOK, "us-east-1").dollars
    assert table == near(stock_table)
    unread = replace(workload, result_reads=0.0)
    assert bill_of(table_items(unread), BOOK, "us-east-1").dollars == near(one_put)


@pytest.mark.parametrize(
    ("poll_seconds", "polls", "dollars"),
    [(11, 235_636, 0.094), (20, 129_600, 0.052), (1, 2_592_000, 1.04)],
)
def test_polls_of_an_idle_worker(poll_seconds: float, polls: float, dollars: float) -> None:
    workload = replace(POLLED, workers=1)
    (item,) = (
        item
        for item in stock_items(
            workload, QueueKind.STANDARD, replace(STOCK, poll_seconds=poll_seconds)
        )
        if item.quantity.amount
    )
    assert item.quantity.amount == pytest.approx(polls, rel=1e-5)
    bill = bill_of([item], BOOK, "us-east-1", free=False)
    assert bill.dollars == pytest.approx(dollars, rel=0.02)


@pytest.mark.parametrize(("rates", "workers"), [(STOCK, 103), (BATCHED_RATES, 188)])
def test_so_many_idle_pollers_cost_a_node_of_valkey(rates: RequestRates, workers: float) -> None:
    comparer = Comparer(BOOK, rates=Rates(stock=rates))
    workload = replace(POLLED, results_share=0.0)
    pairs = {pair.name: pair for pair in comparer.pairs(workload)}
    found = comparer.crossing(
        workload, pairs["stock-sqs-standard"], pairs["elasticache-valkey"], "workers"
    )
    assert found.at == pytest.approx(workers, rel=0.02)


@pytest.mark.parametrize(
    ("rates", "store", "reads", "millions"),
    [(STOCK_RATES, "stock-dynamodb", 1.0, 14), (BATCHED_RATES, "dynamodb", 0.0, 32)],
)
def test_where_two_nodes_of_redis_are_cheaper(
    rates: RequestRates, store: str, reads: float, millions: float
) -> None:
    comparer = Comparer(BOOK, rates=Rates(stock=rates))
    workload = replace(POLLED, tasks=1e6, highly_available=True, result_reads=reads, **ALL_BUSY)  # type: ignore[arg-type]
    pairs = {pair.name: pair for pair in comparer.pairs(workload)}
    redis = pairs["elasticache-redis+elasticache-redis-same"]
    assert redis.bill.dollars == pytest.approx(23.36)
    found = comparer.crossing(workload, pairs[f"stock-sqs-standard+{store}"], redis)
    assert found.at is not None
    assert found.at / 1e6 == pytest.approx(millions, rel=0.02)


MONTHLY = [
    ("elasticache-valkey", {}, 9.34),
    ("elasticache-redis", {}, 11.68),
    ("elasticache-redis", {"node": "cache.t3.micro"}, 12.41),
    ("elasticache-valkey", {"node": "cache.t4g.small"}, 18.69),
    ("elasticache-redis", {"node": "cache.t4g.small"}, 23.36),
    ("elasticache-redis", {"node": "cache.t3.small"}, 24.82),
    ("elasticache-redis", {"highly_available": True}, 23.36),
    ("elasticache-valkey-serverless", {"workers": 0.0}, 6.13),
    ("elasticache-redis-serverless", {"workers": 0.0}, 91.25),
    ("rabbitmq-single", {}, 210.24 + 0.50),
    ("rabbitmq-cluster", {}, 630.72 + 1.50),
    ("elasticache-valkey", {"region": "ap-northeast-1"}, 14.60),
    ("elasticache-redis", {"region": "ap-northeast-1"}, 18.25),
    ("elasticache-redis", {"region": "ap-northeast-1", "node": "cache.t3.micro"}, 18.98),
    ("elasticache-redis", {"region": "ap-northeast-1", "highly_available": True}, 36.50),
]


@pytest.mark.parametrize(("name", "changes", "dollars"), MONTHLY)
def test_what_is_billed_by_the_hour(name: str, changes: dict[str, object], dollars: float) -> None:
    workload = replace(Workload(), **changes)  # type: ignore[arg-type]
    (offer,) = (offer for offer in brokers(workload) if offer.name == name)
    bill = bill_of(offer.items, BOOK, workload.region)
    assert bill.dollars == pytest.approx(dollars, abs=0.0051)


def test_postgres_with_its_disk() -> None:
    (offer,) = (offer for offer in stores(Workload(tasks=1)) if offer.name == "rds-postgresql")
    dollars = bill_of(offer.items, BOOK, "us-east-1").dollars
    assert dollars == pytest.approx(11.68 + 2.30, abs=0.0051)


def test_capacity_within_the_free_units_costs_nothing() -> None:
    # 25 writes a second for a month: 65 million.
    workload = Workload(tasks=65e6, peak_factor=1, result_reads=0.5, result_days=0)
    (offer,) = (offer for offer in stores(workload) if offer.name == "dynamodb-provisioned")
    assert bill_of(offer.items, BOOK, "us-east-1").dollars == 0
    paid = bill_of(offer.items, BOOK, "us-east-1", free=False).dollars
    assert paid == pytest.approx(730 * (25 * 0.00065 + 13 * 0.00013), rel=0.02)


@pytest.mark.parametrize(("region", "an_hour"), [("us-east-1", 0.01), ("ap-northeast-1", 0.014)])
def test_an_endpoint_in_each_zone_costs_more_than_a_small_node(region: str, an_hour: float) -> None:
    workload = Workload(region=region, network=NetworkPath.ENDPOINTS, zones=2)
    public = replace(workload, network=NetworkPath.PUBLIC)
    dollars = [ours(each).bill.dollars for each in (workload, public)]
    assert dollars[0] - dollars[1] == pytest.approx(2 * MONTH_HOURS * an_hour, rel=0.02)


def test_a_gateway_is_paid_by_its_bytes_or_its_hours_too() -> None:
    workload = Workload(region="ap-northeast-1", tasks=1e6)
    public, shared, own = (
        ours(replace(workload, network=path)).bill.dollars
        for path in (NetworkPath.PUBLIC, NetworkPath.SHARED_NAT, NetworkPath.OWN_NAT)
    )
    # A million tasks are 3 million requests and 0.5 million polls of 2 KB, and 2.6 GB of messages.
    assert shared - public == pytest.approx(0.062 * (3.5 + 0.03) * 2 + 0.062 * 2.63, rel=0.1)
    assert own - shared == pytest.approx(2 * 730 * 0.062)


def test_our_bill_by_hand() -> None:
    """A million tasks that come alone, two workers, Virginia."""
    bill = ours(Workload(tasks=1e6)).bill
    polls = 2 * 730 * 3_600 / 20
    standard, inboxes = 3e6 + polls, polls
    coordination = 730 * ((72 + 12) * 0.625 + (68 + 82) * 0.125) / 1e6
    table = 0.625 + 0.125
    wanted = (standard - 1e6) * 0.40 / 1e6 + inboxes * 0.50 / 1e6 + coordination + table
    assert bill.dollars == pytest.approx(wanted, rel=1e-9)
    assert wanted == pytest.approx(0.80 + 0.105 + 0.131 + 0.052 + 0.75, rel=0.01)


def test_larger_messages_are_billed_by_64_kilobytes() -> None:
    # 70 KB with headers: two chunks to send and two to receive, one request to delete.
    workload = Workload(tasks=1e6, payload_bytes=70_000, workers=0)
    items = queue_items(workload, QueueKind.STANDARD)
    assert sum(item.quantity.amount for item in items) == pytest.approx(5e6)
    # Kombu's own: 70 KB becomes 127 KB by base64 within base64.
    stock = stock_items(workload, QueueKind.STANDARD)
    assert sum(item.quantity.amount for item in stock) == pytest.approx(5e6)
    stock = stock_items(replace(workload, payload_bytes=36_864), QueueKind.STANDARD)
    assert sum(item.quantity.amount for item in stock) == pytest.approx(5e6)


def test_a_batch_is_billed_by_what_is_in_it() -> None:
    # Ten of 15 KB are three chunks.
    workload = Workload(tasks=1e6, payload_bytes=14_000, workers=0, **ALL_BUSY)  # type: ignore[arg-type]
    sends = queue_items(workload, QueueKind.STANDARD)[0]
    assert sends.what == "sends"
    assert sends.quantity.amount == pytest.approx(0.3e6)


def test_long_tasks_extend_their_leases() -> None:
    short = ours(Workload(tasks=1e6, task_seconds=59)).bill.dollars
    long = ours(Workload(tasks=1e6, task_seconds=600)).bill.dollars
    assert long - short == pytest.approx(10 * 0.40)


def ours(workload: Workload) -> Pair:
    return Comparer(BOOK).compare(workload).ours
