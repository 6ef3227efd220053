"""Tries requests for results again while AWS does not answer as it should, and then gives up.

Around each try are botocore's own (three, within seconds), and around all of this is Celery's
``result_backend_always_retry``. What a worker stores is retried in any case, as on Redis: a
result that is given up is lost. What is read is retried if somebody gave a ``retry_policy``: a
web process shall not wait for half a minute because nobody told it not to.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from celery_aws.clock import Clock
from celery_aws.core.retry_policy import STORE_POLICY, RetryPolicy
from celery_aws.errors import TemporaryError

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Retries:
    """The retries of one backend.

    Attributes:
        policy: that was given, or None.
        clock: for the waits.
    """

    policy: RetryPolicy | None
    clock: Clock

    def of_store(self, ask: Callable[[], T]) -> T:
        """Return what ``ask`` returns, which may be done twice.

        Raises:
            TemporaryError: of the last try.
            AwsError: what no retry can help.
        """
        return self._run(ask, STORE_POLICY if self.policy is None else self.policy)

    def of_read(self, ask: Callable[[], T]) -> T:
        """Do the same if a policy was given, else ask once."""
        return ask() if self.policy is None else self._run(ask, self.policy)

    def _run(self, ask: Callable[[], T], policy: RetryPolicy) -> T:
        began = self.clock.monotonic()
        failures = 0
        while True:
            try:
                return ask()
            except TemporaryError as error:
                failures += 1
                wait_seconds = policy.wait_seconds(failures, self.clock.monotonic() - began)
                if wait_seconds is None:
                    raise
                logger.warning("results: trying again in %s s: %s", f"{wait_seconds:g}", error)
            self.clock.sleep(wait_seconds)
