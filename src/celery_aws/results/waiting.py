"""Waits for a result by reading it: often at first, then less and less.

Celery's own loop sleeps its whole interval, half a second, before it looks a second time, so
that the fastest task costs its caller half a second, and reads every parent at every look. How
often to look is in :mod:`celery_aws.core.waiting`.

Facts: celery/backends/base.py ``SyncBackendMixin``; celery/backends/asynchronous.py
``drain_events_until``, which calls ``on_interval`` once more when the result is there, so that
with Redis a chord whose header failed raises the header's error and not ChordError.
"""

from collections.abc import Callable
from typing import Any

from celery.exceptions import ImproperlyConfigured

from celery_aws.clock import Clock
from celery_aws.results.parents import Parents
from celery_aws.results.read_ahead import Meta
from celery_aws.results.watching import WatchOne


class Waiting:
    """The part of the backend that waits for one result; mixed into it."""

    clock: Clock

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float | None = 0.5,
        no_ack: bool = True,  # noqa: ARG002 - Celery's signature
        on_interval: Callable[[], Any] | None = None,
    ) -> Meta:
        """Return a task's meta as soon as the task has ended.

        Args:
            task_id: the task.
            timeout: seconds to wait at most; None waits for ever, 0 looks once.
            interval: seconds between two looks at most, in the first 20 s.
            no_ack: of no meaning here.
            on_interval: called after each look that found nothing, and for a task that failed.

        Raises:
            TimeoutError: Celery's; the task has not ended in time.

        Costs one GetItem a look: about 7 for a task of 0.1 s, 23 for one of a second, three a
        second or less from then on, and one after a minute.
        """
        self._ensure_not_eager()  # type: ignore[attr-defined]
        watch = WatchOne(
            self,  # type: ignore[arg-type]
            task_id,
            timeout=timeout,
            interval=interval,
            on_interval=on_interval,
        )
        return self._wait(watch)

    def wait_for_pending(  # noqa: PLR0917 - Celery's signature
        self,
        result: Any,
        timeout: float | None = None,
        interval: float | None = 0.5,
        no_ack: bool = True,  # noqa: ARG002 - Celery's signature
        on_message: Callable[[Meta], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
        callback: Callable[[str, Any], Any] | None = None,
        propagate: bool = True,
    ) -> Any:
        """Wait for a result, for ``AsyncResult.get()``; raise its error, or a parent's.

        Args:
            result: what is waited for.
            timeout: see :meth:`wait_for`.
            interval: see :meth:`wait_for`.
            no_ack: of no meaning here.
            on_message: not supported, as in Celery's backends that poll.
            on_interval: see :meth:`wait_for`; Celery's check of the parents is called less often.
            callback: called with the id and the value.
            propagate: whether to raise the task's error.

        Costs what :meth:`wait_for` does; parents are read together with the result.
        """
        self._ensure_not_eager()  # type: ignore[attr-defined]
        if on_message is not None:
            raise ImproperlyConfigured("Backend does not support on_message callback")
        watch = WatchOne(
            self,  # type: ignore[arg-type]
            result.id,
            timeout=timeout,
            interval=interval,
            on_interval=on_interval,
            parents=Parents(result, self),
        )
        result._maybe_set_cache(self._wait(watch))  # noqa: SLF001 - as Celery's own backends do
        return result.maybe_throw(propagate=propagate, callback=callback)

    def _wait(self, watch: WatchOne) -> Meta:
        while (meta := watch.look()) is None:
            self.clock.sleep(watch.wait_seconds())
        return meta
