"""The task that this thread runs, if it runs one: what its retry inherits.

Celery is never imported here; a process that publishes with kombu alone runs no tasks. Facts:
celery/app/task.py (``retry`` copies the request's delivery information, and none of the message's
properties), celery/worker/request.py (the properties travel to the pool in the request).
"""

import sys
from collections.abc import Mapping
from typing import Any


def group_of_current_task(headers: Mapping[str, Any]) -> str | None:
    """Return the MessageGroupId of the message that a published one continues, or None.

    Args:
        headers: of the message to publish. It continues the one whose task runs in this thread
            if it has the same task id: the task retries or replaces itself.
    """
    celery = sys.modules.get("celery")
    task = None if celery is None else celery.current_task
    if not task or task.request.id is None or task.request.id != headers.get("id"):
        return None
    group = (task.request.properties or {}).get("MessageGroupId")
    return group if isinstance(group, str) else None
