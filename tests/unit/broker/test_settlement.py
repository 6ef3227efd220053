import pytest

from celery_aws.broker.dead_letters import DeadLetters
from celery_aws.broker.settlement import Settlement, settle_once
from celery_aws.errors import (
    AccessDeniedError,
    AwsError,
    CredentialsError,
    ExpiredCredentialsError,
    QueueNotFoundError,
    ServiceFaultError,
    ThrottledError,
    UnreachableError,
)
from tests.unit.broker.conftest import Bench

DELETE = "DeleteMessageBatch"


@pytest.mark.parametrize(
    "error",
    [
        ThrottledError,
        UnreachableError,
        ServiceFaultError,
        ExpiredCredentialsError,
        CredentialsError,
    ],
)
def test_what_may_come_right_is_tried_again_as_it_is(bench: Bench, error: type[AwsError]) -> None:
    batch = [Settlement(receipt=receipt) for receipt in bench.receive(3)]
    bench.sqs.faults.fail(DELETE, error("not now"))

    outcome = settle_once(bench.address(), batch, DeadLetters(bench.clock))

    assert (outcome.again, outcome.settled, outcome.given_up) == ([batch], (), ())
    assert isinstance(outcome.because, error)


@pytest.mark.parametrize("error", [AccessDeniedError, QueueNotFoundError])
def test_what_will_not_come_right_is_given_up_and_logged(
    bench: Bench, error: type[AwsError], caplog: pytest.LogCaptureFixture
) -> None:
    batch = [Settlement(receipt=receipt) for receipt in bench.receive(2)]
    bench.sqs.faults.fail(DELETE, error("never"))

    outcome = settle_once(bench.address(), batch, DeadLetters(bench.clock))

    assert (outcome.given_up, list(outcome.again)) == (batch, [])
    assert "2 message(s) could not be deleted" in caplog.text


def test_of_a_batch_only_what_was_refused_is_tried_again_singly(bench: Bench) -> None:
    batch = [Settlement(receipt=receipt) for receipt in bench.receive(4)]
    bench.sqs.faults.refuse_entries(DELETE, entries=2)

    outcome = settle_once(bench.address(), batch, DeadLetters(bench.clock))

    assert outcome.again == [[batch[0]], [batch[1]]]
    assert outcome.settled == batch[2:]
    assert bench.bodies() == ["0", "1"]
