"""When a batch is sent again, by Celery's publish retry policy. Pure.

A try of kombu's, whose policy it is, is one SendMessage, which is three attempts of botocore's with
its own short waits between them. A batch is sent with as much patience: each try of the policy is
three requests. Facts: celery/app/amqp.py ``send_task_message``; kombu/connection.py ``ensure``;
the retry mode "standard" of the AWS SDKs' reference guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from celery_aws.core.backoff import Backoff, Random
from celery_aws.core.retry_policy import RetryPolicy

#: Requests of one try.
REQUESTS_PER_TRY = 3

#: Waits between them.
_WITHIN_TRY = Backoff(base_seconds=0.5, cap_seconds=2.0)


@dataclass(frozen=True, kw_only=True)
class PublishRetries:
    """How often what was not accepted is sent again, and after which waits.

    Attributes:
        policy: of the tries, by kombu's numbers.
    """

    policy: RetryPolicy

    def wait_seconds(self, failures: int, random: Random) -> float | None:
        """Return how long to wait before the next request, or None to give up.

        Args:
            failures: requests that failed so far, at least 1.
            random: spreads the waits within a try.
        """
        tries, requests = divmod(failures, REQUESTS_PER_TRY)
        if requests:
            return _WITHIN_TRY.wait_seconds(requests - 1, random)
        return self.policy.wait_seconds(tries, 0.0)


#: One try.
NO_RETRIES = PublishRetries(policy=RetryPolicy(max_retries=0))


def publish_retries(retry: object, policy: Mapping[str, Any] | None) -> PublishRetries:
    """Return what Celery's settings ask for.

    Args:
        retry: ``task_publish_retry``, or the option of that meaning.
        policy: ``task_publish_retry_policy``; what it does not name is as kombu has it, where None
            for ``max_retries`` is no end.
    """
    if not retry:
        return NO_RETRIES
    given = policy or {}
    return PublishRetries(
        policy=RetryPolicy(
            max_retries=given.get("max_retries"),
            start_seconds=float(given.get("interval_start", 1)),
            step_seconds=float(given.get("interval_step", 1)),
            most_seconds=float(given.get("interval_max", 1)),
        )
    )
