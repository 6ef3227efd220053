import logging

import pytest

from celery_aws.core.retry_policy import RetryPolicy
from celery_aws.errors import AccessDeniedError, ServiceFaultError, UnreachableError
from celery_aws.results.retries import Retries
from celery_aws.testing.clock import FakeClock


class Asked:
    """Fails as often as it is told to, and takes its time."""

    def __init__(self, clock: FakeClock, *failures: Exception, seconds: float = 0.0) -> None:
        self.times = 0
        self._clock = clock
        self._failures = list(failures)
        self._seconds = seconds

    def __call__(self) -> int:
        self.times += 1
        self._clock.advance(self._seconds)
        if self._failures:
            raise self._failures.pop(0)
        return self.times


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_each_retry_is_a_line_that_says_why(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    asked = Asked(clock, ServiceFaultError("oh"), UnreachableError("gone"))
    assert Retries(policy=None, clock=clock).of_store(asked) == 3
    assert [record.getMessage().split(". ")[0] for record in caplog.records] == [
        "results: trying again in 0 s: oh",
        "results: trying again in 1 s: gone",
    ]


def test_half_a_minute_of_no_answer_is_enough(clock: FakeClock) -> None:
    asked = Asked(clock, *[UnreachableError("gone")] * 9, seconds=10.0)
    with pytest.raises(UnreachableError):
        Retries(policy=None, clock=clock).of_store(asked)
    assert asked.times == 3


def test_what_no_retry_can_help_is_not_tried_again(clock: FakeClock) -> None:
    asked = Asked(clock, AccessDeniedError("no"))
    with pytest.raises(AccessDeniedError):
        Retries(policy=RetryPolicy(), clock=clock).of_read(asked)
    assert asked.times == 1
