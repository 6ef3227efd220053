from typing import Any

import pytest

from celery_aws.core.request_usage import RequestUsage, UsageRow
from celery_aws.cost.observation import MONTH_SECONDS, Observation
from celery_aws.cost.rabbitmq_observation import rabbitmq_observation
from celery_aws.cost.redis_observation import redis_observation
from celery_aws.cost.usage_items import by_price_and_resource, usage_items
from celery_aws.cost.worker_observation import worker_observation
from celery_aws.errors import NotObservedError

TIMES = MONTH_SECONDS / 60


def row(name: str, resource: str, requests: int, units: float) -> UsageRow:
    service, _, operation = name.partition(".")
    return UsageRow(
        service=service, operation=operation, resource=resource, requests=requests, units=units
    )


def worker(pid: int, tasks: int, *rows: UsageRow) -> dict[str, Any]:
    usage = RequestUsage(rows=rows).as_json()
    return {
        "pid": pid,
        "total": {"shop.mail": tasks},
        "aws": {"main": usage, "pool": RequestUsage().as_json()},
    }


def observe(before: dict[str, Any], after: dict[str, Any], **changes: Any) -> Observation:
    options = {"queues": {"a": 2}, "seconds": 60.0, "results_table": "results"}
    return worker_observation(before, after, **{**options, **changes})


def test_workers_are_scaled_from_what_came_in_between() -> None:
    before = worker(
        1,
        100,
        row("sqs.DeleteMessageBatch", "shop", 50, 50),
        row("dynamodb.PutItem", "results", 90, 90),
    )
    after = worker(
        1,
        300,
        row("sqs.DeleteMessageBatch", "shop", 160, 160),
        row("sqs.DeleteMessageBatch", "shop-inbox-*.fifo", 7, 7),
        row("dynamodb.PutItem", "results", 240, 240),
    )
    found = observe({"a": before}, {"a": after, "b": worker(2, 0)})
    assert found.seconds == 60
    assert found.workload == {
        "tasks": 200 * TIMES,
        "workers": 2.0,
        "queues": 2.0,
        # 110 deletes for 200 tasks: half of them came alone.
        "busy_share": pytest.approx(0.5),
        "results_share": 0.75,
    }
    billed = {item.what: item.quantity.amount for item in found.items}
    assert billed["sqs.DeleteMessageBatch shop"] == pytest.approx(110 * TIMES)
    assert "observed for 60 s, scaled to a month: 2 workers: tasks" in found.sentence
    assert "Workers tell of their own requests" in found.remarks[0]


def test_a_worker_that_was_started_again_counts_from_its_start() -> None:
    before = worker(1, 1_000, row("sqs.ReceiveMessage", "shop", 500, 500))
    after = worker(2, 60, row("sqs.ReceiveMessage", "shop", 30, 30))
    found = observe({"a": before}, {"a": after})
    assert found.workload["tasks"] == 60 * TIMES
    (item,) = found.items
    assert item.quantity.amount == pytest.approx(30 * TIMES)


def test_a_worker_that_missed_the_first_question_is_not_taken_for_a_new_one() -> None:
    old = worker(1, 5_000_000) | {"uptime": 86_400}
    with pytest.raises(NotObservedError, match="b did not answer the first question"):
        observe({"a": worker(2, 0)}, {"a": worker(2, 10), "b": old})
    young = worker(3, 30) | {"uptime": 42}
    assert observe({}, {"b": young}).workload["tasks"] == 30 * TIMES


def test_workers_of_different_queues_do_not_consume_all_of_them() -> None:
    after = {name: worker(number, 10) for number, name in enumerate("abcd")}
    found = observe({}, after, queues={"a": 1, "b": 1, "c": 1, "d": 3}).workload
    # Six polls, and not four times as many as there are names.
    assert found["workers"] * found["queues"] == 6


def test_without_a_results_table_of_ours_nothing_is_said_of_results() -> None:
    found = observe({}, {"a": worker(1, 1)}, results_table=None)
    assert "results_share" not in found.workload


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ({}, "no worker"),
        ({"a": {"pid": 1, "total": {}}}, "no worker"),
        ({"a": worker(1, 0)}, "no task began"),
        ({"a": {"pid": 1, "total": {"x": 1}, "aws": {"main": 3}}}, "something else"),
    ],
)
def test_workers_that_tell_nothing(after: dict[str, Any], message: str) -> None:
    with pytest.raises(NotObservedError, match=message):
        observe({}, after)


def test_redis_by_its_counters() -> None:
    found = redis_observation(
        {"lpush": 10, "setex": 1, "ping": 5}, {"lpush": 40, "setex": 16}, source="r", seconds=60
    )
    assert found.workload == {"tasks": 30 * TIMES, "results_share": 0.5}
    none = redis_observation({}, {"lpush": 30}, source="r", seconds=60)
    assert none.workload == {"tasks": 30 * TIMES}
    assert "--results-share" in none.remarks[-1]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [({}, {}, "no task was sent in 60 s"), ({"lpush": 9}, {"lpush": 3}, "started again")],
)
def test_a_redis_that_tells_nothing(
    before: dict[str, int], after: dict[str, int], message: str
) -> None:
    with pytest.raises(NotObservedError, match=message):
        redis_observation(before, after, source="r", seconds=60)


def queue(name: str, published: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "message_stats": {"publish": published}, **more}


def test_rabbitmq_by_its_counters() -> None:
    before = [queue("celery", 100, consumers=3), queue("idle", 5)]
    after = [
        queue("celery", 130, consumers=3),
        queue("mail", 10, consumers=2),
        {"name": "idle"} | queue("idle", 5),
        queue("celeryev.1", 10_000, auto_delete=True, consumers=1),
        queue("reply", 100, exclusive=True, consumers=1),
    ]
    found = rabbitmq_observation(before, after, source="q", seconds=60)
    assert found.workload == {"tasks": 40 * TIMES, "queues": pytest.approx(5 / 3), "workers": 3.0}


def test_a_rabbitmq_that_tells_nothing() -> None:
    with pytest.raises(NotObservedError, match="no task was sent"):
        rabbitmq_observation([], [{"name": "celery"}], source="q", seconds=60)
    with pytest.raises(NotObservedError, match="started again"):
        rabbitmq_observation([queue("a", 3)], [queue("a", 2)], source="q", seconds=60)


def test_usage_is_billed_by_what_it_is_of() -> None:
    usage = RequestUsage(
        rows=(
            row("dynamodb.GetItem", "results", 4, 2.0),
            row("dynamodb.PutItem", "results", 4, 4.0),
            row("s3.DeleteObject", "bucket", 2, 0.0),
            row("s3.GetObject", "bucket", 2, 0.0),
            row("s3.PutObject", "bucket", 2, 0.0),
            row("sqs.SendMessage", "shop", 3, 6.0),
            row("sqs.SendMessage", "shop-inbox-*.fifo", 1, 1.0),
            row("sts.AssumeRole", "", 1, 0.0),
        )
    )
    items = [(item.price_key, item.quantity.amount) for item in usage_items(usage, times=10)]
    assert items == [
        ("dynamodb.read", 20),
        ("dynamodb.write", 40),
        ("s3.get", 20),
        ("s3.put", 20),
        ("sqs.standard", 60),
        ("sqs.fifo", 10),
    ]
    assert by_price_and_resource(usage)["sqs.standard", "shop"] == 6
