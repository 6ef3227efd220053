"""Waits for a result by reading it: often at first, then less and less.

Celery's own loop sleeps its whole interval, half a second, before it looks a second time, so
that the fastest task costs its caller half a second. This one starts with 20 ms and doubles
up to the interval. Facts: celery/backends/base.py ``SyncBackendMixin.wait_for``.
"""

from collections.abc import Callable
from itertools import count
from typing import Any

from celery import states
from celery.exceptions import TimeoutError as ResultTimeoutError

from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff

#: Seconds before the second look.
FIRST_WAIT_SECONDS = 0.02


class EagerWaiting:
    """The part of the backend that waits for one result; mixed into it."""

    clock: Clock

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,  # noqa: ARG002 - Celery's signature
        on_interval: Callable[[], Any] | None = None,
    ) -> dict[str, Any]:
        """Return a task's meta as soon as the task has ended.

        Args:
            task_id: the task.
            timeout: seconds to wait at most; None waits for ever.
            interval: seconds between two looks at most.
            no_ack: of no meaning here.
            on_interval: called after each look that found nothing.

        Raises:
            TimeoutError: Celery's; the task has not ended in time.

        Costs one GetItem a look: five in the first half second, then one an interval.
        """
        self._ensure_not_eager()  # type: ignore[attr-defined]
        waits = Backoff(base_seconds=FIRST_WAIT_SECONDS, cap_seconds=interval)
        began = self.clock.monotonic()
        for attempt in count():
            meta: dict[str, Any] = self.get_task_meta(task_id)  # type: ignore[attr-defined]
            if meta["status"] in states.READY_STATES:
                return meta
            if on_interval is not None:
                on_interval()
            wait_seconds = waits.bound_seconds(attempt)
            if timeout is not None:
                left_seconds = timeout - (self.clock.monotonic() - began)
                if left_seconds <= 0:
                    break
                wait_seconds = min(wait_seconds, left_seconds)
            self.clock.sleep(wait_seconds)
        raise ResultTimeoutError("The operation timed out.")
