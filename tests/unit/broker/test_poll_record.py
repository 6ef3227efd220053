import time
from collections.abc import Callable

import pytest

from celery_aws.broker.poll_record import ReceiverStatus
from celery_aws.broker.receiver import Receiver, UnlimitedCredits
from celery_aws.errors import AccessDeniedError, AwsError, ExpiredCredentialsError
from tests.unit.broker.conftest import PATIENCE_SECONDS, QUEUE, Bench


def when(receiver: Receiver, condition: Callable[[ReceiverStatus], bool]) -> ReceiverStatus:
    """Wait until a receiver is as it should be."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition(found := receiver.record.status()):
        assert time.monotonic() < deadline, found
        time.sleep(0.001)
    return found


def test_before_its_start_it_has_no_answer(bench: Bench) -> None:
    receiver = bench.new_receiver(UnlimitedCredits())
    bench.clock.advance(3)
    assert receiver.record.status() == ReceiverStatus(
        queue=QUEUE, doing="starting", answered=False, unanswered_seconds=3.0, pause_seconds=21.0
    )


def test_a_long_poll_and_its_answer(bench: Bench) -> None:
    receiver = bench.new_receiver(UnlimitedCredits())
    receiver.start()
    assert bench.poll_begins()
    assert receiver.record.status().doing == "polling"
    bench.clock.advance(5)
    assert receiver.record.status().unanswered_seconds == 5.0
    bench.send("1")
    assert when(receiver, lambda status: status.answered).unanswered_seconds == 0.0


def test_without_a_free_credit_it_waits(bench: Bench) -> None:
    bench.send("1", "2")
    receiver = bench.new_receiver(bench.new_qos(prefetch_count=1))
    receiver.start()
    assert bench.buffer.wait(PATIENCE_SECONDS)
    status = when(receiver, lambda status: status.doing == "waiting")
    assert status.answered
    assert status.error is None


@pytest.mark.parametrize(
    ("error", "temporary"), [(ExpiredCredentialsError("old"), True), (AccessDeniedError(""), False)]
)
def test_failures_are_told_by_their_class_until_one_poll_succeeds(
    bench: Bench, error: AwsError, temporary: bool
) -> None:
    bench.sqs.faults.fail("ReceiveMessage", error, times=1_000)
    receiver = bench.new_receiver(UnlimitedCredits())
    receiver.start()
    status = when(receiver, lambda status: status.failing_seconds is not None)
    assert (status.error, status.temporary) == (type(error).__name__, temporary)
    assert not status.answered
    bench.clock.advance(7)
    assert receiver.record.status().failing_seconds == 7.0, "since the first of them"
    bench.sqs.faults._failures.clear()
    bench.send("1")
    status = when(receiver, lambda status: status.failing_seconds is None)
    assert (status.answered, status.error, status.temporary) == (True, None, False)


def test_a_bug_ends_it(bench: Bench) -> None:
    bench.sqs.faults.fail("ReceiveMessage", ZeroDivisionError("a bug"))
    receiver = bench.new_receiver(UnlimitedCredits())
    receiver.start()
    assert when(receiver, lambda status: status.doing == "ended").answered is False


def test_rests_that_were_asked_for_are_no_silence(bench: Bench) -> None:
    bench.directory = bench.new_directory(idle_backoff_seconds=300, wait_time_seconds=5)
    receiver = bench.new_receiver(UnlimitedCredits())
    assert receiver.record.status().pause_seconds == 305.0
