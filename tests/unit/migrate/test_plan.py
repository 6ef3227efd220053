"""Plans: what goes where, and what stands in the way."""

import json
from pathlib import Path
from typing import Any

import pytest

from celery_aws.core.queue_facts import QueueFacts
from celery_aws.migrate.inventory import OtherKeys, QueueCount, ResultCount
from celery_aws.migrate.new_side import NewQueue
from celery_aws.migrate.plan import MigrationPlan, plan_of
from celery_aws.migrate.plan_findings import Level
from celery_aws.migrate.plan_report import plan_facts, plan_lines
from celery_aws.names import AmqpQueue, QueueName
from tests.unit.migrate.scenes import (
    EVERYTHING,
    EVERYWHERE,
    count,
    inventory,
    side,
    target,
    trouble,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "migrate"


def planned(queue: QueueCount, to: NewQueue | None = None, **parts: Any) -> MigrationPlan:
    server = parts.pop("server", "Redis 7.0.15")
    tasks_a_second = parts.pop("tasks_a_second", None)
    return plan_of(
        inventory(queue, server=server, results=ResultCount(results={})),
        side(to or target(queue.queue), **parts),
        names={} if to is None or to.queue == queue.queue else {queue.queue: to.queue},
        tasks_a_second=tasks_a_second,
    )


def found(plan: MigrationPlan) -> dict[str, Level]:
    return {each.name: each.level for each in plan.findings}


def test_a_plan_of_everything_for_programs() -> None:
    plan = plan_of(EVERYTHING, EVERYWHERE)
    assert plan_facts(plan) == json.loads((GOLDEN / "plan.json").read_text())


def test_a_plan_of_everything_for_people() -> None:
    plan = plan_of(EVERYTHING, EVERYWHERE)
    assert "\n".join(plan_lines(plan)) + "\n" == (GOLDEN / "plan.txt").read_text()


def test_a_queue_in_order_has_no_findings() -> None:
    plan = planned(count("celery", 10))
    assert found(plan) == {}
    assert plan.queues[0].moved == 10


def test_etas_go_to_delays_and_far_ones_to_the_schedule() -> None:
    queue = count("celery", 100, with_eta=40, with_far_eta=15)
    [plan] = planned(queue).queues
    assert (plan.moved, plan.delayed, plan.parked) == (100, 25, 15)
    assert plan.requests.park == 15
    assert plan.requests.send == 9


def test_etas_whose_time_is_not_known_are_counted_as_far_ones() -> None:
    [plan] = planned(count("celery", 100, with_eta=40)).queues
    assert (plan.delayed, plan.parked) == (0, 40)


def test_a_fifo_queue_parks_every_eta() -> None:
    [plan] = planned(count("orders.fifo", 100, with_eta=40, with_far_eta=0)).queues
    assert (plan.delayed, plan.parked) == (0, 40)


def test_what_rabbitmq_delays_is_moved_with_the_queue() -> None:
    queue = count("celery", 10, delayed=30, with_far_eta=5)
    [plan] = planned(queue, server="RabbitMQ 3.10.8").queues
    assert (plan.moved, plan.delayed, plan.parked) == (40, 25, 5)
    # What is parked is taken from what comes last: ten, and twenty-five of the delayed ones.
    assert plan.requests.send == 1 + 3


def test_messages_go_to_the_steps_of_their_priorities() -> None:
    queue = count("celery", {0: 1, 3: 2, 6: 4, 9: 8})
    [plan] = planned(queue, target("celery", steps=(0, 6))).queues
    steps = {step.name: dict(step.messages) for step in plan.steps}
    assert steps == {"q-celery": {0: 1, 3: 2}, "q-celery-priority-6": {6: 4, 9: 8}}


def test_priorities_are_turned_around_where_nine_comes_first() -> None:
    queue = count("celery", {0: 1, 9: 8})
    [plan] = planned(queue, target("celery", steps=(0, 6), highest=9)).queues
    assert [(step.name, dict(step.messages)) for step in plan.steps] == [
        ("q-celery-priority-6", {0: 1}),
        ("q-celery", {9: 8}),
    ]


def test_messages_of_a_rabbitmq_that_does_not_tell_priorities_are_in_the_queue_itself() -> None:
    to = target("celery", steps=(0, 6), highest=9)
    [plan] = planned(count("celery", 5), to, server="RabbitMQ 3.10.8").queues
    assert {step.name: dict(step.messages) for step in plan.steps}[QueueName("q-celery")] == {0: 5}


def test_a_queue_gets_another_name() -> None:
    [plan] = planned(count("celery", 5), target("shop")).queues
    assert (plan.queue, plan.target) == ("celery", "shop")


@pytest.mark.parametrize(
    ("to", "name", "level", "blocked"),
    [
        ({"problem": "not among the predefined queues"}, "queue-unroutable", Level.BLOCK, True),
        ({"named": False, "missing": ("q-celery",)}, "queue-unroutable", Level.BLOCK, True),
        ({"named": False}, "queue-not-named", Level.WARNING, False),
        ({"missing": ("q-celery",)}, "queue-missing", Level.WARNING, False),
        ({"unseen": ("q-celery",)}, "queue-unseen", Level.WARNING, False),
    ],
)
def test_a_queue_without_a_destination_blocks(
    to: dict[str, Any], name: str, level: Level, *, blocked: bool
) -> None:
    plan = planned(count("celery", 5), target("celery", **to))
    assert found(plan) == {name: level}
    assert plan.queues[0].blocked is blocked
    assert plan.queues[0].moved == (0 if blocked else 5)
    assert plan.requests.send == (0 if blocked else 1)


def test_a_queue_that_may_not_be_created_blocks() -> None:
    to = target("celery", missing=(QueueName("q-celery"),))
    plan = planned(count("celery", 5), to, creates_queues=False)
    assert found(plan) == {"queue-missing": Level.BLOCK}
    assert plan.queues[0].blocked


def test_a_queue_that_somebody_names_may_be_created() -> None:
    to = target("attic", named=False, missing=(QueueName("q-attic"),))
    plan = planned(count("celery", 5), to)
    assert found(plan) == {"queue-missing": Level.WARNING}
    assert not plan.queues[0].blocked


def test_an_empty_queue_without_a_destination_is_only_told() -> None:
    plan = planned(count("celery", 0), target("celery", problem="no such queue"))
    assert found(plan) == {"queue-unroutable": Level.NOTE}


@pytest.mark.parametrize(
    ("kind", "name", "level"),
    [
        ("oversize", "messages-oversize", Level.WARNING),
        ("unreadable", "messages-unreadable", Level.WARNING),
        ("unroutable", "queue-not-declared", Level.WARNING),
        ("retention", "retention-short", Level.BLOCK),
    ],
)
def test_troubles_are_found(kind: str, name: str, level: Level) -> None:
    assert found(planned(count("celery", 5, troubles=(trouble(kind, 2),)))) == {name: level}


def test_messages_that_nobody_would_consume_block() -> None:
    queue = count("celery", 5, troubles=(trouble("unroutable", 5),))
    plan = planned(queue, target("celery", named=False))
    assert found(plan)["queue-unroutable"] is Level.BLOCK


def test_what_is_too_large_is_quarantined() -> None:
    [plan] = planned(count("celery", 5, troubles=(trouble("oversize", 2),))).queues
    assert (plan.moved, plan.quarantined, plan.stored) == (3, 2, 0)


def test_what_is_too_large_goes_through_s3_if_there_is_a_bucket() -> None:
    plan = planned(count("celery", 5, troubles=(trouble("oversize", 2),)), bucket="bodies")
    assert found(plan) == {"messages-through-s3": Level.NOTE}
    assert (plan.queues[0].moved, plan.queues[0].stored) == (5, 2)
    assert plan.requests.object_put == 2


def test_a_queue_that_takes_less_than_sqs_does_is_told() -> None:
    to = target("celery", facts=QueueFacts(max_message_bytes=262_144))
    large = count("celery", 5, largest_bytes=262_145)
    assert found(planned(large, to)) == {"messages-oversize": Level.WARNING}
    assert found(planned(count("celery", 5, largest_bytes=262_144), to)) == {}


@pytest.mark.parametrize(
    ("retention_seconds", "tasks_a_second", "level"),
    [
        (3_600, None, Level.WARNING),
        (345_600, None, None),
        # 10,000 messages at 2 a second are 5,000 seconds.
        (4_999, 2.0, Level.BLOCK),
        (5_000, 2.0, None),
    ],
)
def test_a_retention_that_is_too_short_is_found(
    retention_seconds: int, tasks_a_second: float | None, level: Level | None
) -> None:
    to = target("celery", facts=QueueFacts(retention_seconds=retention_seconds))
    plan = planned(count("celery", 10_000), to, tasks_a_second=tasks_a_second)
    assert found(plan) == ({} if level is None else {"retention-short": level})


def test_far_etas_without_a_schedule_go_around() -> None:
    plan = planned(count("celery", 5, with_eta=5, with_far_eta=3), parks=False)
    assert found(plan) == {"eta-without-schedule": Level.WARNING}
    assert (plan.queues[0].parked, plan.queues[0].delayed) == (0, 5)


@pytest.mark.parametrize(
    ("latest", "level"), [(345_601.0, Level.BLOCK), (345_600.0, Level.WARNING), (None, Level.BLOCK)]
)
def test_far_etas_of_a_fifo_queue_without_a_schedule_may_outlive_it(
    latest: float | None, level: Level
) -> None:
    queue = count("orders.fifo", 5, with_eta=3, with_far_eta=3, latest_eta_seconds=latest)
    assert found(planned(queue, parks=False)) == {"eta-without-schedule": level}


def test_priorities_that_fold_and_turn_are_told() -> None:
    queue = count("celery", {0: 1, 9: 1})
    assert found(planned(queue)) == {"priorities-folded": Level.WARNING}
    # A RabbitMQ does not tell how many messages have which.
    queue = count("celery", 2)
    turned = planned(queue, target("celery", steps=(0, 9)), server="RabbitMQ 3.10.8")
    assert found(turned) == {"priorities-turn-around": Level.WARNING}
    kept = planned(queue, target("celery", steps=(0, 9), highest=9), server="RabbitMQ 3.10.8")
    assert found(kept) == {}


def test_what_workers_hold_is_told_and_not_counted() -> None:
    plan = planned(count("celery", 5, held=3))
    assert found(plan) == {"messages-held": Level.WARNING}
    assert plan.queues[0].moved == 5


@pytest.mark.parametrize(("blocks", "level"), [(True, Level.BLOCK), (False, Level.NOTE)])
def test_keys_that_are_not_moved_are_told(level: Level, *, blocks: bool) -> None:
    keys = OtherKeys(kind="unknown", count=1, example="mystery", note="look", blocks=blocks)
    plan = plan_of(inventory(others=(keys,), results=ResultCount(results={})), side(), names={})
    assert found(plan) == {"keys-unknown": level}


@pytest.mark.parametrize(
    ("results", "parts", "names"),
    [
        (None, {}, {"results-uncounted"}),
        (ResultCount(results={"SUCCESS": 1}), {}, set()),
        (ResultCount(results={"SUCCESS": 1}), {"results": None}, {"results-left"}),
        (ResultCount(results={"SUCCESS": 1}), {"results": None, "reads_both": True}, set()),
        (ResultCount(results={}, chords={"one": (1, 2)}), {}, {"chords-running"}),
        (ResultCount(results={"SUCCESS": 1}, without_ttl=1), {}, {"results-for-ever"}),
        (ResultCount(results={"UNREADABLE": 1}), {}, {"results-unreadable"}),
    ],
)
def test_results_are_judged(
    results: ResultCount | None, parts: dict[str, Any], names: set[str]
) -> None:
    plan = plan_of(inventory(results=results), side(**parts))
    assert set(found(plan)) == names


def test_results_that_are_left_cost_nothing() -> None:
    some = ResultCount(results={"SUCCESS": 1_000}, bytes=1_000_000)
    assert plan_of(inventory(results=some), side(results=None)).requests.total == 0
    assert plan_of(inventory(results=some), side()).requests.result_put == 1_000


def test_without_deduplication_doubles_are_possible() -> None:
    plan = planned(count("celery", 5), deduplicates=False)
    assert found(plan) == {"doubles-possible": Level.WARNING}
    assert plan.requests.claim == 0


def test_a_run_that_did_not_end_is_told() -> None:
    plan = plan_of(inventory(claimed=3, results=ResultCount(results={})), side())
    assert found(plan) == {"run-unfinished": Level.NOTE}


def test_messages_that_are_delayed_for_whichever_queue_are_parked() -> None:
    plan = plan_of(inventory(delayed=3, results=ResultCount(results={})), side())
    assert found(plan) == {"messages-delayed": Level.NOTE}
    # 1,536 bytes, and 400 that the schedule adds, are two units.
    assert (plan.requests.park, plan.requests.park_units, plan.requests.claim) == (3, 6, 3)
    sent = plan_of(inventory(delayed=11, results=ResultCount(results={})), side(parks=False))
    assert sent.requests.send == 2


def test_the_text_says_whose_prices_stand_in() -> None:
    plan = plan_of(inventory(count("celery", 5)), side(target(), region="eu-west-1"))
    assert any("us-east-1's prices, as none of eu-west-1" in line for line in plan_lines(plan))


def test_a_queue_of_the_inventory_needs_its_target() -> None:
    with pytest.raises(KeyError):
        plan_of(inventory(count("celery", 1)), side(), names={AmqpQueue("celery"): AmqpQueue("x")})
