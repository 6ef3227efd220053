"""When a task is due, read from its message as Celery's worker reads it.

Broker and worker must not disagree about the moment, so this repeats what the worker does with a
message, in Celery 5.5 to 5.7:

* Protocol 2 has everything in the headers, protocol 1 in the body; in a body with ``args`` the
  headers come first (celery/worker/strategy.py ``hybrid_to_proto2``, ``proto1_to_proto2``).
* A countdown has become an eta before the message is made (celery/app/amqp.py).
* An eta is a datetime or ISO 8601 as dateutil reads it. One without an offset is UTC, whatever
  ``timezone``, ``enable_utc`` and the message's ``utc`` say: they choose in which zone the worker
  shows it (celery/worker/request.py ``Request.__init__``, celery/utils/time.py
  ``maybe_make_aware``), and it is aware before ``utc`` is looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, datetime, timezone
from functools import partial
from typing import Any

from dateutil.parser import isoparse

from celery_aws.core.bodies import published_body, received_body

_ETA = b"eta"
_FIELDS = frozenset({"eta", "id", "task"})
_LAST_MOMENT = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, kw_only=True)
class TaskTiming:
    """Which task, and when.

    Attributes:
        task_id: its id, None if the message has none; the worker reports that.
        task: its name, None if it cannot be read.
        eta: in UTC. None if it is due at once, and for what is no time, which the worker reports.
    """

    task_id: str | None
    task: str | None
    eta: datetime | None


def task_timing(message: Mapping[str, Any]) -> TaskTiming | None:
    """Return the timing of a virtual message on its way out.

    Args:
        message: as kombu's channel is asked to publish it: its body serialized, and compressed if
            the headers say so, but not encoded for the envelope. The body is only decoded for
            protocol 1, and only if ``eta`` is in it.

    Returns:
        None for what is no task message, or one of protocol 1 that has no eta to read.
    """
    return _timing(message.get("headers") or {}, partial(published_body, message, mentioning=_ETA))


def received_timing(envelope: Mapping[str, Any]) -> TaskTiming | None:
    """Return the timing of the task in a received envelope, or None if it is no task.

    Args:
        envelope: from :func:`celery_aws.core.envelope.load_envelope`. Of protocol 1, only JSON is
            read.
    """
    return _timing(envelope["headers"], partial(received_body, envelope, mentioning=_ETA))


def moment(eta: object) -> datetime | None:
    """Return the moment that the worker takes an eta for, in UTC, or None if it takes it for none.

    Args:
        eta: as it is in the message; naive is UTC.
    """
    time = _parsed(eta)
    if time is None:
        return None
    if time.utcoffset() is None:
        return time.replace(tzinfo=timezone.utc)
    try:
        return time.astimezone(timezone.utc)
    except OverflowError:
        # In UTC it is in the year 0 or 10000. A worker holds the latter, fails it or starts it at
        # once (Celery 5.5), by version and settings; whoever says "never" gets the last moment.
        return _LAST_MOMENT if time.year == MAXYEAR else None


def _parsed(eta: object) -> datetime | None:
    if isinstance(eta, datetime):
        return eta
    try:
        return isoparse(eta) if isinstance(eta, str | bytes) else None
    except (OverflowError, ValueError):
        return None


def _timing(headers: Mapping[str, Any], read_body: Callable[[], Any]) -> TaskTiming | None:
    fields = _fields(headers, read_body)
    task, task_id = fields.get("task"), fields.get("id")
    if not isinstance(task, str):
        return None
    return TaskTiming(
        task=task,
        task_id=task_id if isinstance(task_id, str) else None,
        eta=moment(fields.get("eta")),
    )


def _fields(headers: Mapping[str, Any], read_body: Callable[[], Any]) -> Mapping[str, Any]:
    """Return where the worker looks for a task's name, id and eta."""
    if headers.keys() >= _FIELDS:
        return headers
    body = read_body()
    if isinstance(body, dict) and "args" in body:
        return {**body, **headers}
    return headers if "task" in headers or not isinstance(body, dict) else body
