"""What went wrong with tasks, as their results say.

A worker that rejects a message tells SQS no reason. Celery stores one with the task's result: the
exception of a task that failed, ``NotRegistered`` for one that the worker does not know. It is what
the result says now, by whichever delivery it was written.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from celery.backends.base import DisabledBackend
from celery.states import EXCEPTION_STATES
from kombu.exceptions import ContentDisallowed, DecodeError

from celery_aws.errors import ResultUnreadableError
from celery_aws.results import DynamoDBBackend, result_backend_of


class ResultErrors:
    """Asks an app's result backend; without one, nothing is known."""

    def __init__(self, app: Any) -> None:
        self._backend = result_backend_of(app)

    def __call__(self, task_ids: Sequence[str]) -> Mapping[str, str]:
        """Return what went wrong, as ``Type: message``, by task id.

        Costs one BatchGetItem for each 100 ids; with another result backend one question for each.
        """
        if not task_ids or isinstance(self._backend, DisabledBackend):
            return {}
        metas = {task_id: meta for task_id, meta in self._metas(task_ids) if meta is not None}
        return {
            task_id: _words(meta["result"])
            for task_id, meta in metas.items()
            if meta.get("status") in EXCEPTION_STATES
        }

    def _metas(self, task_ids: Sequence[str]) -> list[tuple[str, dict[str, Any] | None]]:
        if not isinstance(self._backend, DynamoDBBackend):
            return [(each, self._backend.get_task_meta(each, cache=False)) for each in task_ids]
        payloads = self._backend.read_payloads(dict.fromkeys(task_ids))
        return [(each, self._decoded(payload)) for each, payload in payloads.items()]

    def _decoded(self, payload: bytes | None) -> dict[str, Any] | None:
        try:
            return dict(self._backend.meta_of(payload))
        except (ContentDisallowed, DecodeError, ResultUnreadableError):
            return None


def _words(result: Any) -> str:
    return f"{type(result).__name__}: {result}" if isinstance(result, Exception) else str(result)
