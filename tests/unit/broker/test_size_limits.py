import logging

import pytest

from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.queue_attributes import FACTS_SECONDS
from celery_aws.broker.size_limits import SizeLimits
from celery_aws.errors import AccessDeniedError, InvalidRequestError, UnreachableError
from celery_aws.names import AmqpQueue, QueueName
from tests.unit.broker.conftest import Bench

ASK = "GetQueueAttributes"
MIB = 1_048_576
OLD = 262_144


@pytest.fixture
def limits(bench: Bench) -> SizeLimits:
    return SizeLimits(bench.clock)


def queue_of(bench: Bench, limit_bytes: int, name: str = "old") -> QueueAddress:
    bench.sqs.create_queue(QueueName(name), {"MaximumMessageSize": str(limit_bytes)}, {})
    return bench.address(AmqpQueue(name))


@pytest.mark.parametrize("size_bytes", [1, OLD, MIB + 1, 20 * MIB])
def test_nothing_is_asked_when_the_answer_does_not_matter(
    bench: Bench, limits: SizeLimits, size_bytes: int
) -> None:
    assert limits.limit_bytes(queue_of(bench, OLD), size_bytes) == MIB
    assert bench.sqs.count(ASK) == 0


def test_a_queue_is_asked_once_in_a_while(bench: Bench, limits: SizeLimits) -> None:
    old, new = queue_of(bench, OLD), queue_of(bench, MIB, "new")

    for _ in range(2):
        assert limits.limit_bytes(old, OLD + 1) == OLD
        assert limits.limit_bytes(new, MIB) == MIB
    assert bench.sqs.count(ASK) == 2
    assert limits.limit_bytes(old, 1) == OLD
    bench.clock.advance(FACTS_SECONDS)

    assert limits.limit_bytes(old, OLD + 1) == OLD
    assert bench.sqs.count(ASK) == 3


def test_without_the_right_to_ask_it_is_tried(
    bench: Bench, limits: SizeLimits, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.sqs.faults.fail(ASK, AccessDeniedError("no"))
    address = queue_of(bench, OLD)

    assert limits.limit_bytes(address, OLD + 1) == MIB
    assert limits.limit_bytes(address, OLD + 1) == MIB

    assert bench.sqs.count(ASK) == 1
    assert "not allowed to ask" in caplog.text


def test_no_answer_is_the_publishers_business(bench: Bench, limits: SizeLimits) -> None:
    bench.sqs.faults.fail(ASK, UnreachableError("no route"))

    with pytest.raises(UnreachableError):
        limits.limit_bytes(queue_of(bench, OLD), OLD + 1)


def test_a_refusal_names_the_limit(bench: Bench, limits: SizeLimits) -> None:
    address = queue_of(bench, 1_024)
    error = InvalidRequestError(
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes"
    )

    assert limits.refused(address, 1_025, error)
    assert limits.limit_bytes(address, 10) == 1_024
    assert not limits.refused(address, 1_024, error), "then it is not the size"


def test_another_refusal_says_nothing_of_the_size(bench: Bench, limits: SizeLimits) -> None:
    error = InvalidRequestError("Invalid characters in MessageBody")

    assert not limits.refused(queue_of(bench, MIB), 2 * MIB, error)
