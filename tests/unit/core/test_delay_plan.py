import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.delay_plan import DELAY_SECONDS_OF_ANY_QUEUE, max_delay_seconds
from celery_aws.core.queue_facts import QueueFacts
from celery_aws.limits import SQS_RETENTION_SECONDS_MAX, SQS_RETENTION_SECONDS_MIN


@pytest.mark.parametrize(
    ("retention_seconds", "seconds"),
    [(60, 30), (61, 30), (1_799, 899), (1_800, 900), (345_600, 900), (1_209_600, 900)],
)
def test_half_of_the_retention_is_left(retention_seconds: int, seconds: int) -> None:
    assert max_delay_seconds(QueueFacts(retention_seconds=retention_seconds)) == seconds


def test_a_queue_that_does_not_tell_is_taken_to_keep_messages_for_days() -> None:
    assert max_delay_seconds(QueueFacts(refusal="not for you")) == 900


@given(st.integers(SQS_RETENTION_SECONDS_MIN, SQS_RETENTION_SECONDS_MAX))
def test_what_any_queue_can_do_each_queue_can_do(retention_seconds: int) -> None:
    seconds = max_delay_seconds(QueueFacts(retention_seconds=retention_seconds))

    assert DELAY_SECONDS_OF_ANY_QUEUE <= seconds <= retention_seconds // 2
