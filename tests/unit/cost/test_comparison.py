from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_aws.core.prices import PriceBook
from celery_aws.cost.advice import (
    crossing_sentence,
    price_remarks,
    remarks,
    sqs_is_it,
    used_prices,
    verdict,
)
from celery_aws.cost.bill import bill_of
from celery_aws.cost.comparison import Comparer, Comparison
from celery_aws.cost.offers import brokers, stores
from celery_aws.cost.workload import Workload
from celery_aws.cost.workload_fields import NetworkPath
from celery_aws.errors import ConfigurationError
from celery_aws.prices import packaged_prices

BOOK = packaged_prices()

SHARES = st.floats(0, 1)
WORKLOADS = st.builds(
    Workload,
    tasks=st.floats(0, 1e10),
    batched_share=SHARES,
    busy_share=st.none() | SHARES,
    payload_bytes=st.floats(0, 300_000),
    results_share=SHARES,
    result_bytes=st.floats(0, 300_000),
    result_reads=st.floats(0, 30),
    result_days=st.floats(0, 365),
    task_seconds=st.floats(0, 10_000),
    peak_factor=st.floats(1, 100),
    workers=st.integers(0, 200),
    queues=st.integers(0, 30),
    priorities=st.integers(1, 12),
    hours=st.floats(0, 730),
    idle_share=SHARES,
    broadcasts=st.floats(0, 1e9),
    control=st.booleans(),
    monitors=st.integers(0, 3),
    exporter=st.booleans(),
    highly_available=st.booleans(),
    network=st.sampled_from(list(NetworkPath)),
    region=st.sampled_from(["us-east-1", "ap-northeast-1"]),
)


def compare(**workload: object) -> Comparison:
    return Comparer(BOOK).compare(Workload(**workload))  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(WORKLOADS, st.floats(0, 1e10), st.booleans())
def test_more_tasks_never_cost_less(workload: Workload, more: float, free: bool) -> None:
    comparer = Comparer(BOOK, free_tier=free)
    after = {
        pair.name: pair.bill.dollars
        for pair in comparer.pairs(replace(workload, tasks=workload.tasks + more))
    }
    for pair in comparer.pairs(workload):
        # Without tasks there are no results, and so no pairs with them.
        if pair.name in after:
            assert pair.bill.dollars <= after[pair.name] * (1 + 1e-9) + 1e-9


@settings(max_examples=60, deadline=None)
@given(WORKLOADS)
def test_what_is_free_is_free_once_an_account(workload: Workload) -> None:
    given = sum(
        price.dollars(allowance.quantity)
        for allowance in BOOK.allowances
        for price in [BOOK.find(allowance.covers[-1], workload.region)]
        if price is not None
    )
    for with_it, without in zip(
        Comparer(BOOK).pairs(workload), Comparer(BOOK, free_tier=False).pairs(workload), strict=True
    ):
        saved = without.bill.dollars - with_it.bill.dollars
        assert -1e-6 <= saved <= given + 1e-6
        taken = sum(line.free.amount for line in with_it.bill.lines if "sqs" in line.item.price_key)
        assert taken <= 1_000_000 * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(WORKLOADS)
def test_units_never_mix(workload: Workload) -> None:
    # A line of another unit than its price raises; here every price of Virginia is met.
    there = replace(workload, region="us-east-1")
    for offer in (*brokers(there), *stores(there)):
        for line in bill_of(offer.items, BOOK, there.region).lines:
            if line.price is not None:
                assert line.price.unit is line.item.quantity.unit


def test_little_work_is_cheapest_on_sqs() -> None:
    found = compare(tasks=800_000, highly_available=True)
    assert sqs_is_it(found)
    assert verdict(found).startswith("SQS is it: SQS standard, celery-aws")
    assert found.cheapest is not None
    assert found.cheapest.broker.name == "sqs-standard"


def test_redis_wins_where_much_work_needs_one_node() -> None:
    found = compare(tasks=20e6, network="endpoints")
    assert not sqs_is_it(found)
    assert found.cheapest is not None
    assert found.cheapest.name == "elasticache-valkey+elasticache-valkey-same"
    assert verdict(found).startswith("SQS is not it by its price:")
    assert "ElastiCache Valkey, one node" in verdict(found)


def test_redis_wins_where_tasks_must_start_at_once() -> None:
    found = compare(tasks=1e6, start_ms=5)
    assert not sqs_is_it(found)
    assert verdict(found).startswith("SQS is not it: a task starts after some 25 ms")
    assert "ElastiCache Valkey" in verdict(found)


def test_rabbitmq_wins_where_tasks_must_start_at_once_and_never_be_lost() -> None:
    found = compare(tasks=1e6, start_ms=5, durable=True)
    assert verdict(found).startswith("SQS is not it: a task starts after some 25 ms")
    assert "Amazon MQ RabbitMQ, three nodes" in verdict(found)
    # Without the wish for latency it is SQS, which does not lose them either.
    assert sqs_is_it(compare(tasks=1e6, durable=True))


def test_rabbitmq_wins_where_there_are_many_priorities() -> None:
    found = compare(tasks=1e6, priorities=50)
    assert "at most 10 priorities" in verdict(found)
    assert "RabbitMQ" in verdict(found)


def test_nothing_that_makes_sense() -> None:
    found = compare(tasks=1e6, start_ms=5, durable=True, region="ap-northeast-1")
    assert found.cheapest is None
    assert verdict(found).endswith("Nothing else that has a price here is either.")


def test_a_difference_of_cents_is_none() -> None:
    def at(offset_dollars: float) -> Comparison:
        point = next(
            each.point.at
            for each in compare(tasks=1e6).crossings
            if each.other.broker.name == "elasticache-valkey"
        )
        assert point is not None
        return compare(tasks=point + offset_dollars / 1.95e-6)

    assert sqs_is_it(at(0.5))
    assert verdict(at(0.5)).startswith("SQS is it: SQS standard, celery-aws")
    assert not sqs_is_it(at(1.5))


def test_a_price_that_is_missing_is_told_and_its_offer_is_in_no_pair() -> None:
    found = compare(tasks=1e6, region="ap-northeast-1")
    names = {pair.broker.name for pair in found.pairs}
    assert "rabbitmq-single" not in names
    told = list(price_remarks(found, date(2026, 11, 23)))
    assert (
        "no price for mq.rabbitmq.single.mq.m5.large in ap-northeast-1: what needs it is not "
        "compared" in told
    )
    (estimates,) = (line for line in told if line.startswith("not verified"))
    assert "sqs.fifo" in estimates
    with pytest.raises(ConfigurationError, match="no price of region 'eu-west-1' is known"):
        compare(region="eu-west-1")


def test_without_a_price_of_sqs_nothing_is_said_of_it() -> None:
    there = [price for price in BOOK.prices if price.key != "sqs.standard"]
    found = Comparer(PriceBook(prices=there, allowances=())).compare(Workload(tasks=1e6))
    assert not found.ours.bill.complete
    assert not found.crossings
    assert "SQS FIFO" in verdict(found)


def test_without_any_price_of_sqs_nothing_can_be_said() -> None:
    there = [price for price in BOOK.prices if not price.key.startswith("sqs.")]
    found = Comparer(PriceBook(prices=there, allowances=())).compare(Workload(tasks=1e6))
    assert not sqs_is_it(found)
    assert verdict(found).startswith(
        "Whether SQS is it cannot be said without a price for sqs.standard, sqs.fifo. Of what has "
        "one: ElastiCache Valkey, one node"
    )


def test_old_prices_are_told() -> None:
    found = compare(tasks=1e6)
    told = list(price_remarks(found, date(2026, 11, 23)))
    assert any(
        line.startswith("mq.rabbitmq.single.mq.m5.large in us-east-1 is of") for line in told
    )
    assert not any(line.startswith("sqs.standard") for line in told)
    later = list(price_remarks(found, date(2027, 6, 1)))
    assert any(line.startswith("sqs.standard in us-east-1 is of 2026-10-08") for line in later)


def test_every_price_that_is_used_is_known() -> None:
    keys = [price.key for price in used_prices(compare(tasks=1e6))]
    assert keys == sorted(set(keys))
    assert {"sqs.standard", "dynamodb.write", "rds.postgresql.single.db.t4g.micro"} <= set(keys)


def test_where_others_are_cheaper() -> None:
    found = compare(tasks=1e6)
    by_name = {each.other.broker.name: each for each in found.crossings}
    valkey = by_name["elasticache-valkey"]
    assert valkey.other.shared
    assert valkey.point.at is not None
    # 9.34 dollars, without what is free and what idle workers cost, by 1.95 dollars a million.
    assert valkey.point.at / 1e6 == pytest.approx((9.34 + 0.4 - 0.29) / 1.95, rel=0.01)
    assert crossing_sentence(valkey) == (
        "cheaper than ElastiCache Valkey, one node + ElastiCache Valkey, the broker's nodes below "
        f"{valkey.point.at:,.0f} tasks a month"
    )
    assert set(by_name) >= {"elasticache-redis", "rabbitmq-small", "rabbitmq-cluster"}


def test_at_the_crossing_both_cost_the_same() -> None:
    comparer = Comparer(BOOK)
    workload = Workload(tasks=1e6)
    found = comparer.compare(workload)
    for crossing in found.crossings:
        if crossing.point.at is not None:
            both = [
                comparer.dollars_by(workload, pair, "tasks")(crossing.point.at)
                for pair in (found.ours, crossing.other)
            ]
            assert both[0] == pytest.approx(both[1], abs=0.01)


def test_remarks_tell_what_is_assumed() -> None:
    alone = " ".join(remarks(compare(tasks=1e6, start_ms=100)))
    assert "three requests" in alone
    assert "--highly-available" in alone
    assert "42.5 ms" in alone
    other = compare(tasks=1e9, highly_available=True, busy_share=1.0, network="own-nat")
    text = " ".join(remarks(other))
    assert "three requests" not in text
    assert "two nodes" in text
    assert "gateway endpoints" in text
    assert "larger nodes" in text
    unfree = Comparer(BOOK, free_tier=False).compare(Workload(tasks=1e6))
    assert "not taken off" in next(remarks(unfree))


def test_no_results_need_no_store() -> None:
    found = compare(tasks=1e6, results_share=0)
    assert found.stores == ()
    assert found.ours.title == "SQS standard, celery-aws"
    assert found.ours.name == "sqs-standard"
    assert all(pair.store is None for pair in found.pairs)


def test_results_that_do_not_fit_into_a_node() -> None:
    found = compare(tasks=100e6, result_bytes=10_000, result_days=30)
    (same,) = (each.offer for each in found.stores if each.offer.name == "elasticache-valkey-same")
    assert "do not fit into a cache.t4g.micro" in same.objections[0]


def test_stock_lacks_what_it_lacks() -> None:
    (stock,) = (
        offer
        for offer in brokers(Workload(tasks=1, priorities=4))
        if offer.name == "stock-sqs-standard"
    )
    assert stock.objections == ("has neither remote control nor events", "has no priorities")
    (stock,) = (
        offer
        for offer in brokers(Workload(tasks=1, control=False))
        if offer.name == "stock-sqs-standard"
    )
    assert stock.sensible


def test_messages_larger_than_sqs_takes_go_through_s3() -> None:
    found = compare(tasks=1e6, payload_bytes=2e6, results_share=0)
    billed = {line.item.what: line.item.quantity.amount for line in found.ours.bill.lines}
    assert billed["sends"] == billed["receives"] == 1e6
    assert billed["large messages, written"] == billed["large messages, read"] == 1e6
    assert "cannot send messages so large" in found.stock.objections
    whole = compare(tasks=1e6, payload_bytes=700_000, results_share=0)
    assert "large messages, read" not in {line.item.what for line in whole.ours.bill.lines}
    assert "cannot send messages so large" in whole.stock.objections


def test_results_larger_than_an_item_are_not_for_celerys_own_backend() -> None:
    (stock,) = (
        each
        for each in stores(Workload(tasks=1, result_bytes=5e5))
        if each.name == "stock-dynamodb"
    )
    assert stock.objections == ("cannot store results so large",)


def test_what_results_cost_is_not_laid_to_the_account_of_sqs() -> None:
    found = compare(tasks=1e5, result_bytes=3e5, network="endpoints")
    assert found.cheapest is not None
    assert found.cheapest.store is not None
    assert found.cheapest.store.name == "s3"
    on_queues = next(pair for pair in found.pairs if pair.sensible and pair.broker.is_queue)
    more = on_queues.bill.dollars - found.cheapest.bill.dollars
    assert more < found.ours.bill.dollars - found.cheapest.bill.dollars - 10
    assert verdict(found) == (
        f"SQS is not it by its price: {on_queues.title} costs USD {more:,.2f} a month more than "
        f"{found.cheapest.title}."
    )


def test_what_nothing_speaks_to_is_told_with_what_is_against_it() -> None:
    sentences = [crossing_sentence(each) for each in compare(tasks=1e6).crossings]
    assert any(
        "serverless" in each and "(it speaks Redis Cluster only" in each for each in sentences
    )
    assert not any("one node" in each and "(it" in each for each in sentences)


def test_every_copy_of_a_broadcast_is_paid_on_sqs() -> None:
    quiet = compare(workers=50)
    found = compare(workers=50, broadcasts=100_000)
    # A hundred thousand to fifty workers, three requests of a FIFO queue each.
    assert found.ours.bill.dollars - quiet.ours.bill.dollars == pytest.approx(7.50)
    assert "has no broadcasts" in found.stock.objections
    assert not sqs_is_it(compare(workers=50, broadcasts=1e6))


def test_monitors_and_the_exporter_cost_what_was_measured() -> None:
    # A hundred workers, a monitor, no tasks: 24.08 dollars for 30 days, 12.97 without it.
    def dollars(**changes: object) -> float:
        workload = Workload(workers=100, hours=720, results_share=0, **changes)  # type: ignore[arg-type]
        return Comparer(BOOK, free_tier=False).compare(workload).ours.bill.dollars

    assert dollars() == pytest.approx(12.97, rel=0.02)
    assert dollars(monitors=1) == pytest.approx(24.08, rel=0.1)
    # A task a second each, without the tasks' own requests.
    tasks = 100 * 2_592_000.0
    own = tasks * 3 * 0.40 / 1e6
    assert dollars(monitors=1, tasks=tasks) - own == pytest.approx(168.67, rel=0.1)
    assert dollars(exporter=True) > dollars(monitors=1)
