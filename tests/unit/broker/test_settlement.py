from dataclasses import replace

import pytest

from celery_aws.broker.errands import Disposal
from celery_aws.broker.message import Receipt
from celery_aws.broker.settlement import Settlement, settle_once
from celery_aws.core.messages import S3Pointer
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
from celery_aws.names import ObjectKey
from tests.unit.broker.conftest import BUCKET, Bench

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

    outcome = settle_once(bench.address(), batch)

    assert (outcome.again, outcome.settled, outcome.given_up) == ([batch], (), ())
    assert isinstance(outcome.because, error)


@pytest.mark.parametrize("error", [AccessDeniedError, QueueNotFoundError])
def test_what_will_not_come_right_is_given_up_and_logged(
    bench: Bench, error: type[AwsError], caplog: pytest.LogCaptureFixture
) -> None:
    batch = [Settlement(receipt=receipt) for receipt in bench.receive(2)]
    bench.sqs.faults.fail(DELETE, error("never"))

    outcome = settle_once(bench.address(), batch)

    assert (outcome.given_up, list(outcome.again)) == (batch, [])
    assert "2 message(s) could not be deleted" in caplog.text


def test_of_a_batch_only_what_was_refused_is_tried_again_singly(bench: Bench) -> None:
    batch = [Settlement(receipt=receipt) for receipt in bench.receive(4)]
    bench.sqs.faults.refuse_entries(DELETE, entries=2)

    outcome = settle_once(bench.address(), batch)

    assert outcome.again == [[batch[0]], [batch[1]]]
    assert outcome.settled == batch[2:]
    assert bench.bodies() == ["0", "1"]


class TestErrands:
    """What is done before a delete; what they say is in test_dead_letters.py and others."""

    def errand(self, bench: Bench, disposal: Disposal | AwsError) -> Settlement:
        (receipt,) = bench.receive(1)
        pointer = S3Pointer(bucket=BUCKET, key=ObjectKey("k"))

        def run(_: Receipt) -> Disposal:
            if isinstance(disposal, AwsError):
                raise disposal
            return disposal

        return Settlement(receipt=replace(receipt, pointer=pointer), errand=run)

    @pytest.mark.parametrize(
        ("disposal", "pointer_goes"), [(Disposal.MOVED, False), (Disposal.UNWANTED, True)]
    )
    def test_what_was_moved_takes_along_what_it_points_to(
        self, bench: Bench, disposal: Disposal, pointer_goes: bool
    ) -> None:
        outcome = settle_once(bench.address(), [self.errand(bench, disposal)])

        (settled,) = outcome.settled
        assert (settled.receipt.pointer is not None) is pointer_goes
        assert bench.bodies() == []

    @pytest.mark.parametrize("disposal", [Disposal.LEFT, Disposal.KEPT])
    def test_what_stays_is_not_deleted(self, bench: Bench, disposal: Disposal) -> None:
        settlement = self.errand(bench, disposal)

        outcome = settle_once(bench.address(), [settlement])

        assert (list(outcome.settled), list(outcome.again)) == ([], [])
        stays = {Disposal.LEFT: outcome.left, Disposal.KEPT: outcome.kept}
        assert stays[disposal] == [settlement]
        assert bench.bodies() == ["0"]

    @pytest.mark.parametrize("error", [ThrottledError, CredentialsError])
    def test_what_may_come_right_is_tried_again(self, bench: Bench, error: type[AwsError]) -> None:
        settlement = self.errand(bench, error("not now"))

        outcome = settle_once(bench.address(), [settlement])

        assert outcome.again == [[settlement]]
        assert isinstance(outcome.because, error)
        assert bench.bodies() == ["0"]

    def test_it_is_run_once_although_the_delete_fails(self, bench: Bench) -> None:
        bench.sqs.faults.fail(DELETE, ThrottledError("slow down"))

        outcome = settle_once(bench.address(), [self.errand(bench, Disposal.MOVED)])

        ((settlement,),) = outcome.again
        assert settlement.errand is None
