"""A result that cannot be stored, nor that it could not: the task ends all the same.

When a result is not stored for good, Celery stores that as the failure of its task
(celery/app/trace.py, the last ``except`` of ``trace_task``). If that raises too, nobody is left
to catch it: a prefork child leaves it to the main process, which tries a third time in its
event loop; in every other pool the task is never over for the worker, which keeps its message
and its slot until it stops, and a solo worker takes it for the end of the broker's connection.
"""

import logging
from typing import Any

from celery.exceptions import BackendStoreError

from celery_aws.errors import AwsError

logger = logging.getLogger(__name__)


class LostResults:
    """The part of the backend that gives a result up; mixed into it."""

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        """Store a task's state, as Celery's base class does.

        Raises:
            AwsError: it could not be stored now. Not if it is ``result`` that this was so: then
                the log has it, and the task has no result.
            BackendStoreError: the same, for good.
        """
        try:
            return super().store_result(task_id, result, state, *args, **kwargs)  # type: ignore[misc]
        except (AwsError, BackendStoreError) as error:
            if not _could_not_be_stored(result):
                raise
            logger.critical(
                "task %s: its result is lost, as it cannot be stored: %s", task_id, error
            )
            return result


def _could_not_be_stored(result: Any) -> bool:
    if isinstance(result, AwsError):
        return result.service == "dynamodb"
    return isinstance(result, BackendStoreError)
