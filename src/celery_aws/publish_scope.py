"""What a thread, a greenlet or a coroutine publishes between two moments, to be sent together.

It is the lowest layer because three parts that know nothing of each other meet here: Celery's
groups (:mod:`celery_aws.groups`) and :func:`batch` begin and end a scope, the broker puts a batch
into it with the first task that is published through it. Where no task comes through our broker,
nothing happens.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from celery_aws.errors import BatchPublishError

logger = logging.getLogger(__name__)


class Batch(Protocol):
    """What the broker collects in a scope."""

    def flush(self) -> None:
        """Wait until SQS has accepted everything; raise for what it has not."""

    def end(self) -> None:
        """The same, once and for all."""


class PublishScope:
    """One block; threads and coroutines that were started in it may share it.

    Args:
        app: whose publish retry policy counts.
        of_group: Celery has opened it, for a group.
        lazy: the tasks come from a generator, each as soon as it is there: none waits for long.
        retry: Celery's option of a publish, or None for ``task_publish_retry``.
        retry_policy: Celery's option of a publish: what differs from ``task_publish_retry_policy``.
    """

    def __init__(
        self,
        app: Any,
        *,
        of_group: bool = False,
        lazy: bool = False,
        retry: bool | None = None,
        retry_policy: Mapping[str, Any] | None = None,
    ) -> None:
        self.of_group = of_group
        self.lazy = lazy
        self._app = app
        self._retry = retry
        self._retry_policy = retry_policy
        self._batch: Any = None
        self._open = True
        self._pid = os.getpid()
        self._lock = threading.Lock()

    @property
    def open(self) -> bool:
        """True until the block ends; a forked child has no part in it."""
        return self._open and self._pid == os.getpid()

    def retry_settings(self) -> tuple[bool, dict[str, Any]]:
        """Return whether to retry, and Celery's retry policy."""
        conf = self._app.conf
        retry = conf.task_publish_retry if self._retry is None else self._retry
        policy = conf.task_publish_retry_policy or {}
        return bool(retry), {**policy, **(self._retry_policy or {})}

    def batch(self, make: Callable[["PublishScope"], Any]) -> Any:
        """Return the scope's batch, made by the first who asks; None if the block has ended."""
        with self._lock:
            if not self.open:
                return None
            if self._batch is None:
                self._batch = make(self)
            return self._batch

    def flush(self) -> None:
        """Wait until SQS has accepted what was published so far.

        Raises:
            BatchPublishError: some of it did not go; the end of the block will not tell again.
        """
        if self._batch is not None and self.open:
            self._batch.flush()

    def end(self) -> None:
        """Close the scope, and wait until SQS has accepted what was published in it.

        Raises:
            BatchPublishError: some of it did not go.
        """
        with self._lock:
            mine, self._open = self.open, False
        if self._batch is not None and mine:
            self._batch.end()


_current: ContextVar[PublishScope | None] = ContextVar("celery_aws_publish_scope", default=None)


def current_scope() -> PublishScope | None:
    """Return the scope that whoever runs now publishes in, or None."""
    scope = _current.get()
    return scope if scope is not None and scope.open else None


@contextmanager
def publishing_in(scope: PublishScope) -> Iterator[PublishScope]:
    """Run a block whose tasks go out in batches; within another one it joins that.

    Raises:
        BatchPublishError: at the end; if the block itself raises, it is only logged.
    """
    outer = current_scope()
    if outer is not None and (scope.of_group or not outer.of_group):
        # A group in a group; who opens a block of their own wants full requests.
        outer.lazy = outer.lazy or (scope.lazy and outer.of_group)
        yield outer
        return
    # Not by a token: whoever leaves the block may do so in a copy of this context.
    _current.set(scope)
    try:
        yield scope
    except BaseException:
        _current.set(outer)
        _end_logged(scope)
        raise
    _current.set(outer)
    scope.end()


def batch(app: Any) -> AbstractContextManager[PublishScope]:
    """Send the tasks that are published in a block in batches, with SendMessageBatch.

    ::

        with celery_aws.batch(app):
            for order in orders:
                send_invoice.delay(order.id)

    Every task that this thread, greenlet or coroutine publishes in the block through an
    ``aws+sqs://`` broker is collected, and goes out while the block runs: ten in a request, several
    requests at once. The block ends when SQS has accepted all of them; until then ``apply_async``
    has promised nothing, and what waits for a task in the block may wait for ever, unless it
    calls ``flush()`` of the value of the ``with`` first, as our result backend does by itself. What
    is sent to parked tasks, to S3 and to transient queues goes at once, as without it. A batch
    within a batch joins it.

    Args:
        app: the Celery app; its ``task_publish_retry`` and ``task_publish_retry_policy`` say how
            often what SQS did not accept is sent again.

    Raises:
        BatchPublishError: at the end of the block, once: some tasks did not go, or nobody knows. If
            the block itself raises, what was published before is sent all the same, that error goes
            on, and this one is only logged.

    Costs one SendMessageBatch for ten tasks of a queue, and what is left over. AWS bills each 64 KB
    of a request, whatever number of tasks they are.
    """
    return publishing_in(PublishScope(app))


def _end_logged(scope: PublishScope) -> None:
    try:
        scope.end()
    except BatchPublishError as error:
        # Nobody else will tell which: all of them.
        logger.error(  # noqa: TRY400 - the block's own error goes on
            "a batch was not sent in full, and its block raised another error: %s. Not sent: %s; "
            "unknown: %s",
            error,
            error.not_sent,
            error.unknown,
        )
