import json
from typing import Any

import pytest

from celery_aws.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    InvalidRequestError,
    QueueNotFoundError,
    UnreachableError,
)
from celery_aws.names import AmqpQueue, QueueName
from tests.unit.broker.conftest import NAME, QUEUE, Bench

DEAD = QueueName("celery-dead-letter")
FIFO = AmqpQueue("orders.fifo")


def create(bench: Bench, queue: AmqpQueue = QUEUE, **options: Any) -> None:
    bench.new_directory(**options).address(queue)


def created(bench: Bench) -> list[str]:
    return [call.resource for call in bench.sqs.calls if call.operation == "CreateQueue"]


def attributes(bench: Bench, name: QueueName) -> dict[str, str]:
    return bench.sqs.queue_attributes(bench.sqs.queue_url(name), ["All"])


def test_a_queue_gets_a_dead_letter_queue_first(bench: Bench) -> None:
    create(bench)

    assert created(bench) == [DEAD, NAME]
    assert json.loads(attributes(bench, NAME)["RedrivePolicy"]) == {
        "deadLetterTargetArn": attributes(bench, DEAD)["QueueArn"],
        "maxReceiveCount": 10,
    }


def test_it_costs_two_requests_more_and_none_later(bench: Bench) -> None:
    directory = bench.new_directory()

    directory.address(QUEUE)
    directory.address(QUEUE)

    assert [call.operation for call in bench.sqs.calls] == [
        "GetQueueUrl",
        "CreateQueue",
        "GetQueueAttributes",
        "CreateQueue",
    ]


def test_dead_letters_are_kept_as_long_as_sqs_keeps_any(bench: Bench) -> None:
    create(bench)

    assert attributes(bench, DEAD)["MessageRetentionPeriod"] == "1209600"


def test_it_is_tagged_and_encrypted_like_its_queue(bench: Bench) -> None:
    create(
        bench,
        queue_tags={"team": "web"},
        sqs_creation_attributes={"KmsMasterKeyId": "alias/web", "DelaySeconds": "3"},
    )

    assert bench.sqs.tags(DEAD) == {"team": "web"}
    dead = attributes(bench, DEAD)
    assert (dead["KmsMasterKeyId"], dead["DelaySeconds"]) == ("alias/web", "0")


def test_that_of_a_fifo_queue_is_one(bench: Bench) -> None:
    create(bench, FIFO)

    assert created(bench) == ["orders-dead-letter.fifo", "orders.fifo"]
    assert attributes(bench, QueueName("orders-dead-letter.fifo"))["FifoQueue"] == "true"


def test_the_count_is_an_option(bench: Bench) -> None:
    create(bench, max_receive_count=3)

    assert json.loads(attributes(bench, NAME)["RedrivePolicy"])["maxReceiveCount"] == 3


def test_none_is_created_when_it_is_switched_off(bench: Bench) -> None:
    create(bench, max_receive_count=0)

    assert created(bench) == [NAME]
    assert "RedrivePolicy" not in attributes(bench, NAME)


def test_a_policy_of_ones_own_is_taken(bench: Bench) -> None:
    own = bench.sqs.create_queue(QueueName("graveyard"), {}, {})
    arn = bench.sqs.queue_attributes(own, ["QueueArn"])["QueueArn"]
    policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 3}

    create(bench, sqs_creation_attributes={"RedrivePolicy": policy})

    assert created(bench) == ["graveyard", NAME]
    assert json.loads(attributes(bench, NAME)["RedrivePolicy"]) == policy


@pytest.mark.parametrize("queue", ["celery-dead-letter", "orders-dead-letter.fifo"])
def test_a_dead_letter_queue_has_none_itself(bench: Bench, queue: str) -> None:
    create(bench, AmqpQueue(queue))

    assert created(bench) == [queue]


def test_an_existing_queue_gets_none(bench: Bench) -> None:
    bench.sqs.create_queue(NAME, {}, {})

    create(bench)

    assert created(bench) == [NAME]
    assert "RedrivePolicy" not in attributes(bench, NAME)


def test_one_that_another_process_made_is_used(bench: Bench) -> None:
    bench.sqs.create_queue(DEAD, {"MessageRetentionPeriod": "600"}, {})

    create(bench)

    arn = attributes(bench, DEAD)["QueueArn"]
    assert json.loads(attributes(bench, NAME)["RedrivePolicy"])["deadLetterTargetArn"] == arn
    assert attributes(bench, DEAD)["MessageRetentionPeriod"] == "600"


def test_a_long_name_has_one_too(bench: Bench) -> None:
    create(bench, AmqpQueue("x" * 80))

    policy = json.loads(attributes(bench, QueueName("x" * 80))["RedrivePolicy"])
    assert len(policy["deadLetterTargetArn"].split(":")[-1]) == 80


@pytest.mark.parametrize("operation", ["CreateQueue", "GetQueueAttributes"])
def test_a_missing_permission_for_it_says_so(bench: Bench, operation: str) -> None:
    bench.sqs.faults.fail(operation, AccessDeniedError("not allowed", code="AccessDenied"))

    with pytest.raises(QueueNotFoundError, match="its dead-letter queue celery-dead-letter") as it:
        create(bench)

    assert "max_receive_count" in str(it.value)
    assert isinstance(it.value.__cause__, QueueNotFoundError)


def test_a_missing_permission_for_the_queue_itself_says_so(bench: Bench) -> None:
    denied = AccessDeniedError("not allowed", code="AccessDenied")
    bench.sqs.faults.fail("CreateQueue", denied)

    with pytest.raises(QueueNotFoundError, match="creating it is not permitted") as caught:
        create(bench, max_receive_count=0)

    assert "grant sqs:CreateQueue" in str(caught.value)


UNKNOWN_TARGET = InvalidRequestError(
    "Value {...} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist"
)


@pytest.mark.parametrize(
    ("operation", "error"),
    [("GetQueueAttributes", QueueNotFoundError("not yet")), ("CreateQueue", UNKNOWN_TARGET)],
)
def test_a_queue_that_sqs_does_not_know_yet_is_waited_for(
    bench: Bench, operation: str, error: Exception
) -> None:
    if operation == "CreateQueue":
        bench.sqs.create_queue(DEAD, {"MessageRetentionPeriod": "600"}, {})
        bench.sqs.faults.fail("CreateQueue", AlreadyExistsError("with other attributes"))
    bench.sqs.faults.fail(operation, error, times=2)

    create(bench)

    assert "RedrivePolicy" in attributes(bench, NAME)
    assert bench.clock.sleeps == [0.5, 1.0]


@pytest.mark.parametrize("error", [InvalidRequestError("no such key"), UnreachableError("no")])
def test_another_refusal_is_not_waited_for(bench: Bench, error: Exception) -> None:
    bench.sqs.faults.fail("CreateQueue", error)

    with pytest.raises(type(error)):
        create(bench)

    assert bench.clock.sleeps == []
