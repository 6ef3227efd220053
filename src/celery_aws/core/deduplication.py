"""The id by which a FIFO queue drops a task that is published twice.

It is the task's id: a publish that is tried again because its answer was lost makes no second
task. Celery publishes the same id again on purpose when a task is retried or replaced by another,
and SQS would drop that for five minutes; so these count. Facts: celery/app/task.py (``retry``,
``replace``), celery/app/amqp.py (``as_task_v2``: the headers); SendMessage in the SQS API
reference (MessageDeduplicationId: characters and length).
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from celery_aws.limits import SQS_GROUP_ID_CHARACTERS

_ALLOWED = re.compile(rf"[!-~]{{1,{SQS_GROUP_ID_CHARACTERS}}}")


def deduplication_id(headers: Mapping[str, Any]) -> str | None:
    """Return the MessageDeduplicationId for a task's headers, or None if they name no task.

    Args:
        headers: of a task message; those of protocol 1 are empty.
    """
    task_id = headers.get("id")
    if not isinstance(task_id, str) or not task_id:
        return None
    again = [headers.get("retries"), headers.get("replaced_task_nesting")]
    if any(again):
        task_id = ":".join([task_id, *(str(count or 0) for count in again)])
    if _ALLOWED.fullmatch(task_id):
        return task_id
    return hashlib.sha256(task_id.encode(errors="surrogatepass")).hexdigest()
