from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils import functional

from celery_aws.core.retry_policy import STORE_POLICY, RetryPolicy

SECONDS = st.integers(0, 8).map(lambda number: number / 2)


class RefusedError(Exception):
    pass


def waits_of_kombu(policy: RetryPolicy, failures: int) -> tuple[list[float], bool]:
    """Return the waits of ``retry_over_time`` over so many failures, and whether it gave up."""
    waits: list[float] = []

    def fail() -> None:
        if len(waits) == failures:
            return
        raise RefusedError

    def wait(_error: Exception, intervals: object, _retries: int) -> float:
        # An older kombu lets them grow beyond the longest, by as much as the first.
        waits.append(min(next(intervals), policy.most_seconds))  # type: ignore[call-overload]
        return 0

    try:
        functional.retry_over_time(
            fail,
            (RefusedError,),
            errback=wait,
            max_retries=policy.max_retries,
            interval_start=policy.start_seconds,
            interval_step=policy.step_seconds,
            interval_max=policy.most_seconds,
        )
    except RefusedError:
        return waits, True
    return waits, False


def our_waits(policy: RetryPolicy, failures: int) -> tuple[list[float], bool]:
    waits = [policy.wait_seconds(number, 0) for number in range(1, failures + 1)]
    taken = [wait for wait in waits if wait is not None]
    return taken, len(taken) < failures


@given(
    policy=st.builds(
        RetryPolicy,
        max_retries=st.none() | st.integers(0, 5),
        start_seconds=SECONDS,
        # A step that jumps over the longest wait leaves kombu at the wait before it.
        step_seconds=st.just(0.5),
        most_seconds=SECONDS,
    ),
    failures=st.integers(0, 8),
)
def test_a_policy_means_what_it_means_to_kombu(policy: RetryPolicy, failures: int) -> None:
    assert our_waits(policy, failures) == waits_of_kombu(policy, failures)


def test_no_try_begins_after_the_timeout() -> None:
    policy = RetryPolicy(max_retries=None, timeout_seconds=5)
    assert policy.wait_seconds(100, 5) == 1
    assert policy.wait_seconds(1, 5.1) is None


def test_a_result_is_stored_as_on_redis() -> None:
    waits = (STORE_POLICY.wait_seconds(failures, 0) for failures in range(1, 100))
    assert list(islice(waits, 22)) == [0, *[1] * 19, None, None]
    assert STORE_POLICY.wait_seconds(1, 31) is None


@pytest.mark.parametrize("failures", [1, 10, 10**6])
def test_without_an_end_there_is_none(failures: int) -> None:
    assert RetryPolicy(max_retries=None).wait_seconds(failures, 10**6) is not None
