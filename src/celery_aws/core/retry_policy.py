"""When a request is tried again, by the numbers of a ``retry_policy``. Pure.

The numbers mean what they mean to kombu, so that a policy for the Redis backend can be kept.
Facts: kombu/utils/functional.py ``retry_over_time``; celery/backends/redis.py ``ensure``, and
celery/backends/base.py ``retry_policy`` for the defaults.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often, and after which waits.

    Attributes:
        max_retries: tries after the first; None is no end.
        start_seconds: wait before the first retry.
        step_seconds: by how much each wait is longer than the one before.
        most_seconds: longest wait.
        timeout_seconds: time since the first try after which no other is begun, or None.
    """

    max_retries: int | None = 20
    start_seconds: float = 0.0
    step_seconds: float = 1.0
    most_seconds: float = 1.0
    timeout_seconds: float | None = None

    def wait_seconds(self, failures: int, elapsed_seconds: float) -> float | None:
        """Return how long to wait before the next try, or None to give up.

        Args:
            failures: how many so far, the one that has just happened included.
            elapsed_seconds: time since the first try began.
        """
        retries = failures - 1
        if self.max_retries is not None and retries >= self.max_retries:
            return None
        if self.timeout_seconds is not None and elapsed_seconds > self.timeout_seconds:
            return None
        return min(self.start_seconds + self.step_seconds * retries, self.most_seconds)


#: A try of ours is three of botocore's, and may take half a minute if nobody answers.
STORE_POLICY = RetryPolicy(timeout_seconds=30.0)
