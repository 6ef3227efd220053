"""Takes tasks out of the schedule for good, so that nobody waits for them.

In this order, so that whatever happens in between, and whatever a mover does meanwhile, the task
does not run and its result says REVOKED:

1. The revocation is remembered; a worker that receives the task from now on discards it.
2. The entry is looked at again. If it is gone, it was moved, and its worker decides.
3. REVOKED is stored.
4. The entry is removed, and a chord is told that one of its parts has come back.

It is what a worker does with a revoked task, and no more: Celery calls no errback for a revoked
task, and what would follow it in a chain stays pending. Facts: celery/worker/request.py
``_announce_revoked`` and ``store_errors``; celery/backends/base.py ``mark_as_revoked`` and
``on_chord_part_return``.
"""

import logging
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from celery import Celery, states
from celery.app.task import Context
from celery.exceptions import BackendStoreError, TaskRevokedError

from celery_aws.clock import Clock
from celery_aws.core.attributes import Item
from celery_aws.core.parked_tasks import ParkedTask, may_be_moving
from celery_aws.core.schedule import ScheduledTask
from celery_aws.core.task_contents import task_contents
from celery_aws.errors import CeleryAwsError
from celery_aws.schedule.messages import ParkedMessages
from celery_aws.table.revocations import Revocations
from celery_aws.table.schedule import Schedule

logger = logging.getLogger(__name__)

#: What ``AsyncResult.get`` raises says so.
REASON = "cancelled while it was parked"


class Cancelled(Enum):
    """What became of a task that was to be cancelled; its value is for programs."""

    #: It was removed.
    REMOVED = "removed"
    #: Its result is REVOKED; it stays until its time, when a worker discards it and tells its
    #: chord: its body is not JSON, so only a worker can tell which chord that is.
    WHEN_DUE = "discarded when due"
    #: It was not parked any more. If it has gone to SQS and not started, a worker discards it.
    GONE = "not parked any more"


class Cancellation:
    """Cancels parked tasks.

    Args:
        app: whose result backend is told, and whose chords go on.
        schedule: where they are parked.
        revocations: where it is remembered.
        messages: reads those that are in S3.
        clock: says which of them may be moved at this moment.
    """

    def __init__(
        self,
        app: Celery,
        *,
        schedule: Schedule,
        revocations: Revocations,
        messages: ParkedMessages,
        clock: Clock,
    ) -> None:
        self._app = app
        self._schedule = schedule
        self._revocations = revocations
        self._messages = messages
        self._clock = clock

    def remember(self, tasks: Iterable[ParkedTask]) -> None:
        """Let workers discard these tasks, however they come by them. One PutItem an id."""
        self._revocations.add(dict.fromkeys(task.task_id for task in tasks))

    def cancel(self, parked: ParkedTask) -> Cancelled:
        """Cancel a task, after :meth:`remember`.

        Raises:
            AwsError: AWS refused. The task may still be parked, and will not run.
            Exception: what another result backend raises; likewise.

        Costs a GetItem, a DeleteItem and what the result backend needs; for a large message also
        a BatchGetItem and a BatchWriteItem, or a GetObject and a DeleteObjects.
        """
        entry = self._schedule.entry(parked.key)
        if entry is None:
            return Cancelled.GONE
        try:
            task = self._schedule.task_of(entry)
        except ValueError as error:
            # Nobody will ever send it.
            logger.warning("task %s[%s]: %s", parked.task, parked.task_id, error)
            self._store(parked, {})
            return self._taken(entry)
        if task is None:
            return Cancelled.GONE
        contents = task_contents(self._messages.envelope(task))
        request = contents.request
        self._store(parked, request or contents.fields)
        if request is None:
            return Cancelled.WHEN_DUE
        taken = self._taken(entry)
        if taken is Cancelled.REMOVED:
            self._afterwards(task, Context(request))
        return taken

    def _taken(self, entry: Item) -> Cancelled:
        return Cancelled.REMOVED if self._schedule.take(entry) else Cancelled.GONE

    def _afterwards(self, task: ScheduledTask, request: Context) -> None:
        if not may_be_moving(task.send_after, self._clock.now()):
            self._messages.discard(task)
        backend = self._backend(task.task)
        backend.mark_as_revoked(task.task_id, REASON, request=request, store_result=False)

    def _store(self, task: ParkedTask, request: Mapping[str, Any]) -> None:
        if _ignores_result(self._app, task.task, request):
            return
        try:
            self._backend(task.task).store_result(
                task.task_id, TaskRevokedError(REASON), states.REVOKED, request=Context(request)
            )
        except BackendStoreError as error:
            if isinstance(error.__cause__, CeleryAwsError):
                raise error.__cause__ from error
            raise

    def _backend(self, name: str | None) -> Any:
        known = self._app.tasks.get(name)
        return self._app.backend if known is None else known.backend


def _ignores_result(app: Celery, name: str | None, fields: Mapping[str, Any]) -> bool:
    """Tell whether nothing is stored of a task; it is as in the worker, if the task is known."""
    known = app.tasks.get(name)
    ignores, stores_errors = fields.get("ignore_result"), app.conf.task_store_errors_even_if_ignored
    if known is not None:
        stores_errors = known.store_errors_even_if_ignored
        ignores = known.ignore_result if ignores is None else ignores
    return bool(ignores) and not stores_errors
