"""Which tasks a control command revokes, read from its message.

A worker forgets revokes, and knows none of before its start; what waits outside of the workers
has to hear of them too. Facts: celery/app/control.py ``revoke``, celery/worker/control.py
``revoke`` and ``terminate``, kombu/pidbox.py ``_publish`` and ``exchange_fmt``.
"""

from collections.abc import Mapping
from typing import Any

from celery_aws.core.bodies import published_body

#: ``terminate`` is what ``celery control terminate`` sends; ``Control.terminate`` sends a revoke.
_METHODS = ("revoke", "terminate")


def is_control_exchange(exchange: str) -> bool:
    """Tell whether control commands are published to the exchange of this name."""
    # The replies come through reply.NAME.pidbox.
    return exchange.endswith(".pidbox") and not exchange.startswith("reply.")


def revoked_ids(message: Mapping[str, Any]) -> list[str]:
    """Return the ids of the tasks that a virtual message on its way out revokes.

    An id names one task, so it counts for whichever workers the command is meant. Stamped headers
    name no ids.

    Args:
        message: as for :func:`celery_aws.core.task_eta.task_timing`. The body is only decoded if
            the message is no task of protocol 2 and ``task_id`` is in it.

    Returns:
        Each id once, in the order of the command; nothing for any other message.
    """
    if "task" in (message.get("headers") or {}):
        return []
    body = published_body(message, mentioning=b"task_id")
    if not isinstance(body, dict) or body.get("method") not in _METHODS:
        return []
    arguments = body.get("arguments")
    task_ids = arguments.get("task_id") if isinstance(arguments, dict) else None
    several = task_ids if isinstance(task_ids, list | tuple | set | frozenset) else [task_ids]
    return list(dict.fromkeys(each for each in several if isinstance(each, str)))
