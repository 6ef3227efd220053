"""Looks at results that somebody waits for; who waits, and how, is not known here.

A watch is looked at, waits, is looked at again. The backend sleeps in between, asyncio code
(:mod:`celery_aws.results.awaiting`) lets others run. A look may block, so it is a call of its own.

An outage of AWS does not end a watch that has time left, as a lost connection does not with Redis
(celery/backends/redis.py, ``_reconnect_pubsub``): a look that fails is one that found nothing.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from celery import states
from celery.exceptions import TimeoutError as ResultTimeoutError

from celery_aws.clock import Clock
from celery_aws.core.waiting import Patience, parents_wait_seconds
from celery_aws.errors import TemporaryError
from celery_aws.publish_scope import current_scope
from celery_aws.results.parents import Parents, looks_at_parents
from celery_aws.results.read_ahead import Meta, Payload

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Celery's, where a caller says None.
INTERVAL_SECONDS = 0.5

OnInterval = Callable[[], Any]


class Reader(Protocol):
    """What a watch needs of the backend."""

    clock: Clock

    def get_task_meta(self, task_id: str) -> Meta:
        """Return what is known of one task."""

    def read_payloads(self, task_ids: Iterable[str]) -> dict[str, Payload]:
        """Return what is stored for each of many tasks."""

    def meta_of(self, payload: Payload) -> Meta:
        """Return what a payload says."""

    def offering(self, payloads: dict[str, Payload]) -> Any:
        """Answer questions with what was just read."""


class Watch:
    """When to look again.

    Args:
        reader: the backend.
        timeout: seconds to wait at most; None waits for ever.
        interval: seconds between two looks at most.
        parents: whose errors end the wait too, if the caller looks at them. They are read with
            what is waited for, but less often.
        has_seen_parents: whether the caller has just looked at them.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        timeout: float | None,
        interval: float | None,
        parents: Parents | None,
        has_seen_parents: bool,
    ) -> None:
        self._reader = reader
        self._began = reader.clock.monotonic()
        self._timeout = timeout
        self._patience = Patience(
            interval_seconds=INTERVAL_SECONDS if interval is None else interval,
            timeout_seconds=timeout,
        )
        self._outage_began: float | None = None
        self._parents = parents
        self._unfinished = [] if parents is None else parents.unfinished()
        self._parents_at = self._next_parents_look() if has_seen_parents else 0.0

    @property
    def elapsed_seconds(self) -> float:
        """Since the watch began."""
        return self._reader.clock.monotonic() - self._began

    def wait_seconds(self) -> float:
        """Return how long to wait before the next look.

        Raises:
            TimeoutError: Celery's; the time is up.
        """
        wait = self._patience.wait_seconds(self.elapsed_seconds, outstanding=self.outstanding)
        if wait is None:
            raise ResultTimeoutError(f"The operation timed out ({self._timeout} s).")
        return wait

    @property
    def outstanding(self) -> int:
        """How many results are waited for."""
        raise NotImplementedError

    def _due_parents(self) -> list[str]:
        """Return the unfinished parents, if it is time to look at them."""
        return self._unfinished if self.elapsed_seconds >= self._parents_at else []

    def _saw_parents(self) -> None:
        if self._parents is not None:
            self._unfinished = self._parents.unfinished()
            self._parents_at = self._next_parents_look()

    def _next_parents_look(self) -> float:
        elapsed = self.elapsed_seconds
        return elapsed + parents_wait_seconds(elapsed, unfinished=len(self._unfinished))

    def _ask(self, read: Callable[[], T]) -> T | None:
        """Return what was read, or None if AWS does not answer and may be asked again later."""
        _send_what_is_waited_for()
        try:
            found = read()
        except TemporaryError as error:
            elapsed = self.elapsed_seconds
            if self._outage_began is None:
                self._outage_began = elapsed
                logger.warning("results cannot be read, who waits for them goes on: %s", error)
            outage = elapsed - self._outage_began
            if not self._patience.bears_outage(elapsed, outage_seconds=outage):
                raise
            return None
        self._outage_began = None
        return found


class WatchOne(Watch):
    """One task, and the parents whose errors are raised in its place.

    Args:
        reader: the backend.
        task_id: the task.
        timeout: seconds to wait at most; None waits for ever.
        interval: seconds between two looks at most.
        on_interval: what the caller does after each look that found nothing. What Celery makes
            of a parents' check is called only when these have been read, all together.
        parents: of the task, if the caller looks at them.
        has_seen_parents: whether the caller has just done so.
    """

    def __init__(
        self,
        reader: Reader,
        task_id: str,
        *,
        timeout: float | None,
        interval: float | None,
        on_interval: OnInterval | None,
        parents: Parents | None = None,
        has_seen_parents: bool = True,
    ) -> None:
        super().__init__(
            reader,
            timeout=timeout,
            interval=interval,
            parents=parents if looks_at_parents(on_interval) else None,
            has_seen_parents=has_seen_parents,
        )
        self._task_id = task_id
        self._on_interval = on_interval

    @property
    def outstanding(self) -> int:
        """The task and its unfinished parents."""
        return 1 + len(self._unfinished)

    def look(self) -> Meta | None:
        """Return the task's meta if it has ended. One request, one more for each 100 parents.

        Raises:
            TemporaryError: AWS does not answer, and there is no time left to ask again.
            AwsError: AWS refused.
        """
        is_due = self.elapsed_seconds >= self._parents_at
        read = self._ask(lambda: self._read(self._due_parents()))
        if read is None:
            return None
        meta, payloads = read
        if meta["status"] in states.PROPAGATE_STATES:
            # A header's error rather than the chord's, which was stored after it.
            of_parents = self._ask(self._read_parents)
            if of_parents is None:
                return None
            self._tell(of_parents)
        elif meta["status"] not in states.READY_STATES:
            if is_due or self._parents is None:
                self._tell(payloads)
            return None
        return meta

    def _read(self, parents: list[str]) -> tuple[Meta, dict[str, Payload]]:
        if not parents:
            return self._reader.get_task_meta(self._task_id), {}
        payloads = self._reader.read_payloads([self._task_id, *parents])
        return self._reader.meta_of(payloads.pop(self._task_id)), payloads

    def _read_parents(self) -> dict[str, Payload]:
        return self._reader.read_payloads(self._unfinished) if self._unfinished else {}

    def _tell(self, payloads: dict[str, Payload]) -> None:
        if self._on_interval is not None:
            with self._reader.offering(payloads):
                self._on_interval()
        self._saw_parents()


class WatchMany(Watch):
    """Many tasks, read together.

    Args:
        reader: the backend.
        task_ids: the tasks.
        timeout: seconds to wait at most; None waits for ever.
        interval: seconds between two looks at most.
        ended_states: in which a task is not waited for any more.
        parents: without which the tasks are never sent.

    Attributes:
        failed_parent: the meta of a parent that has failed.
    """

    def __init__(
        self,
        reader: Reader,
        task_ids: Iterable[str],
        *,
        timeout: float | None,
        interval: float | None,
        ended_states: Iterable[str] = states.READY_STATES,
        parents: Parents | None = None,
    ) -> None:
        super().__init__(
            reader, timeout=timeout, interval=interval, parents=parents, has_seen_parents=False
        )
        self.failed_parent = None if parents is None else parents.failed()
        self._left = dict.fromkeys(task_ids)
        self._first = len(self._left)
        self._ended_states = frozenset(ended_states)

    @property
    def is_over(self) -> bool:
        """Whether all have ended."""
        return not self._left

    @property
    def outstanding(self) -> int:
        """How many there were: the last of a hundred are no reason to look more often."""
        return self._first

    def look(self) -> dict[str, Meta]:
        """Return those that have ended since the last look. One BatchGetItem for each 100.

        Raises as :meth:`WatchOne.look`.
        """
        parents = self._due_parents()
        wanted = dict.fromkeys((*self._left, *parents))
        found = self._ask(lambda: self._reader.read_payloads(wanted))
        if found is None:
            return {}
        metas = {
            task_id: self._reader.meta_of(payload)
            for task_id, payload in found.items()
            if payload is not None
        }
        if self._parents is not None and parents:
            self._parents.settle(metas)
            self._saw_parents()
            self.failed_parent = self._parents.failed()
        ended = {
            task_id: metas[task_id]
            for task_id in self._left
            if task_id in metas and metas[task_id]["status"] in self._ended_states
        }
        for task_id in ended:
            del self._left[task_id]
        return ended


def _send_what_is_waited_for() -> None:
    """Let no block wait for a task that goes out at its end (:func:`celery_aws.batch`)."""
    scope = current_scope()
    # Within a group's own scope only signal handlers run, whose errors Celery swallows.
    if scope is not None and not scope.of_group:
        scope.flush()
