import pytest
from celery import Celery

from celery_aws.core.publish_retries import NO_RETRIES, PublishRetries, publish_retries


def waits(retries: PublishRetries, most: int = 40) -> list[float | None]:
    """Return the wait after each failure, up to the first that ends it."""
    found: list[float | None] = []
    for failures in range(1, most + 1):
        found.append(retries.wait_seconds(failures, lambda: 1.0))
        if found[-1] is None:
            break
    return found


def test_celerys_defaults_are_four_tries_of_three_requests() -> None:
    conf = Celery(set_as_current=False).conf
    retries = publish_retries(conf.task_publish_retry, conf.task_publish_retry_policy)
    assert waits(retries) == pytest.approx(
        [0.5, 1.0, 0, 0.5, 1.0, 0.2, 0.5, 1.0, 0.4, 0.5, 1.0, None]
    )


def test_without_retry_it_is_one_try() -> None:
    policy = {"max_retries": 5}
    assert waits(publish_retries(retry=False, policy=policy)) == waits(NO_RETRIES)
    assert waits(NO_RETRIES) == [0.5, 1.0, None]


def test_none_is_without_end() -> None:
    retries = publish_retries(retry=True, policy={"max_retries": None, "interval_max": 3})
    assert None not in waits(retries)
    assert retries.wait_seconds(3_000, lambda: 1.0) == 3


def test_what_a_policy_leaves_out_is_as_kombu_has_it() -> None:
    assert publish_retries(retry=True, policy={}) == publish_retries(
        retry=True,
        policy={"max_retries": None, "interval_start": 1, "interval_step": 1, "interval_max": 1},
    )
