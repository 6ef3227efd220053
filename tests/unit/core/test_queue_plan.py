import json

import pytest

from celery_aws.config.broker import BrokerOptions, parse_broker_options
from celery_aws.core.queue_plan import (
    CeleryQueue,
    PlannedQueue,
    QueueRole,
    longest_message_life_seconds,
    planned_queues,
)
from celery_aws.names import AmqpQueue


def plan(
    options: BrokerOptions, *names: str, max_priority: int | None = None
) -> list[PlannedQueue]:
    queues = [CeleryQueue(name=AmqpQueue(name), max_priority=max_priority) for name in names]
    return planned_queues(options, queues)


def test_a_queue_comes_after_its_dead_letter_queue() -> None:
    dead_letters, tasks = plan(
        BrokerOptions(queue_name_prefix="hoge-", queue_tags={"team": "web"}), "celery"
    )
    assert (dead_letters.name, dead_letters.role) == (
        "hoge-celery-dead-letter",
        QueueRole.DEAD_LETTERS,
    )
    assert dead_letters.attributes == {"MessageRetentionPeriod": "1209600"}
    assert dead_letters.dead_letter_queue is None
    assert (tasks.name, tasks.role, tasks.serves) == ("hoge-celery", QueueRole.TASKS, "celery")
    assert tasks.attributes == {"VisibilityTimeout": "120"}
    assert (tasks.dead_letter_queue, tasks.max_receive_count) == ("hoge-celery-dead-letter", 10)
    assert tasks.tags == dead_letters.tags == {"team": "web"}


def test_steps_share_a_dead_letter_queue() -> None:
    planned = plan(BrokerOptions(), "celery", max_priority=9)
    assert [each.name for each in planned] == [
        "celery-dead-letter",
        "celery",
        "celery-priority-3",
        "celery-priority-6",
        "celery-priority-9",
    ]
    assert [each.role for each in planned[2:]] == [QueueRole.PRIORITY] * 3
    assert {each.dead_letter_queue for each in planned[1:]} == {"celery-dead-letter"}
    assert {each.serves for each in planned} == {"celery"}


def test_a_fifo_queue() -> None:
    dead_letters, tasks = plan(BrokerOptions(), "orders.fifo")
    assert dead_letters.name == "orders-dead-letter.fifo"
    assert dead_letters.attributes["FifoQueue"] == tasks.attributes["FifoQueue"] == "true"
    assert dead_letters.fifo
    assert tasks.fifo


@pytest.mark.parametrize(
    "options",
    [
        BrokerOptions(max_receive_count=0),
        BrokerOptions(sqs_creation_attributes={"RedrivePolicy": json.dumps({"a": 1})}),
    ],
)
def test_without_dead_letter_queue_of_ours(options: BrokerOptions) -> None:
    (tasks,) = plan(options, "celery")
    assert tasks.dead_letter_queue is None
    assert tasks.max_receive_count == 0


def test_encryption_is_for_both() -> None:
    options = BrokerOptions(
        sqs_creation_attributes={"KmsMasterKeyId": "alias/a", "DelaySeconds": "1"}
    )
    dead_letters, tasks = plan(options, "celery")
    assert dead_letters.attributes["KmsMasterKeyId"] == "alias/a"
    assert "DelaySeconds" not in dead_letters.attributes
    assert tasks.attributes["DelaySeconds"] == "1"


def test_a_dead_letter_queue_that_celery_consumes_has_none_of_its_own() -> None:
    planned = plan(BrokerOptions(priority_steps=(0, 9)), "celery", "celery-dead-letter")
    assert [each.name for each in planned] == ["celery-dead-letter", "celery", "celery-priority-9"]
    assert planned[0].role is QueueRole.DEAD_LETTERS


def test_each_queue_once() -> None:
    assert len(plan(BrokerOptions(), "celery", "celery")) == 2


def test_predefined_queues_are_what_they_are() -> None:
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/made-by-hand"
    options = parse_broker_options({"predefined_queues": {"celery": {"url": url}}})
    (tasks,) = plan(options, "celery", "not-among-them")
    assert (tasks.name, tasks.url, tasks.serves) == ("made-by-hand", url, "celery")
    assert tasks.attributes == {}
    assert tasks.dead_letter_queue is None


@pytest.mark.parametrize(
    ("raw", "days"),
    [
        ({}, 4 + 14),
        ({"max_receive_count": 0}, 4),
        ({"sqs-creation-attributes": {"MessageRetentionPeriod": 864_000}}, 10 + 14),
        (
            {
                "max_receive_count": 0,
                "sqs-creation-attributes": {"RedrivePolicy": {"deadLetterTargetArn": "arn"}},
            },
            4 + 14,
        ),
    ],
)
def test_a_message_lives_in_its_queue_and_in_the_dead_letter_queue(
    raw: dict[str, object], days: int
) -> None:
    assert longest_message_life_seconds(parse_broker_options(raw)) == days * 86_400
