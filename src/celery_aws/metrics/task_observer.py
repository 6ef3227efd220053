"""Counts the tasks of a worker, as its main process sees them, whatever its pool is.

Celery says what becomes of a task by ``Request.send_event``, which it calls whether or not events
are sent (``worker -E``); only a success it tells by an event alone where events are on. So for each
class of requests, of which a worker makes one for each task when it connects, two methods are
replaced, when the first request of it comes. It costs a worker some microseconds a task, and
nothing where nobody wants metrics. Facts: celery/worker/request.py (``create_request_cls``,
``send_event``, ``on_success``, ``_announce_revoked``), celery/worker/strategy.py (``task_received``
is sent before a request goes to the pool, and after it is looked whether it is revoked), Celery 5.5
to 5.7.
"""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from celery import signals

from celery_aws.core.priorities import base_of
from celery_aws.metrics import catalog
from celery_aws.metrics.bounded_names import BoundedNames
from celery_aws.metrics.tally import Tally
from celery_aws.names import AmqpQueue

#: What is counted of what ``send_event`` is told. Revoked tasks tell of themselves by a signal.
COUNTED_EVENTS: Final = {
    "task-started": catalog.TASK_STARTED,
    "task-rejected": catalog.TASK_REJECTED,
    "task-retried": catalog.TASK_RETRIED,
}

#: The representation of an exception begins with its class.
_EXCEPTION_CLASS: Final = re.compile(r"(\w+)\(")

#: Of an exception that has another representation; the name is the Celery exporter's.
UNKNOWN_EXCEPTION: Final = "UnknownException"

_UID: Final = "celery-aws-metrics"


def exception_class(representation: object) -> str:
    """Return the class in an exception's representation: ``KeyError`` of ``KeyError(1)``."""
    found = _EXCEPTION_CLASS.match(str(representation))
    return UNKNOWN_EXCEPTION if found is None else found[1]


class TaskObserver:
    """Tells a tally of the tasks of this process's worker.

    Args:
        tally: is told.
        queue_names: lets names of queues through.
    """

    def __init__(self, tally: Tally, queue_names: BoundedNames) -> None:
        self._tally = tally
        self._queue_names = queue_names
        self._exceptions = BoundedNames()

    def connect(self) -> None:
        """Begin, in place of who observed a worker of this process before."""
        self.disconnect()
        signals.task_received.connect(self.on_received, weak=False, dispatch_uid=_UID)
        signals.task_revoked.connect(self.on_revoked, weak=False, dispatch_uid=_UID)

    def disconnect(self) -> None:
        """Count no task that comes from now on."""
        signals.task_received.disconnect(dispatch_uid=_UID)
        signals.task_revoked.disconnect(dispatch_uid=_UID)

    def on_received(self, request: Any = None, **_: Any) -> None:
        """Count a task that goes to the pool, or waits for its eta, and see what becomes of it."""
        self._follow(type(request))
        self._tally.count(catalog.TASK_RECEIVED, *self._labels(request))

    def on_revoked(self, sender: Any = None, request: Any = None, **_: Any) -> None:
        """Count a task that is not to run, or was ended."""
        queue = (request.delivery_info or {}).get("routing_key") or ""
        labels = (sender.name, request.hostname or "", self._queue(queue))
        self._tally.count(catalog.TASK_REVOKED, *labels)

    def on_event(self, request: Any, kind: str, fields: dict[str, Any]) -> None:
        """Count what has become of a task, by the event that may be sent of it."""
        metric = COUNTED_EVENTS.get(kind)
        if metric is not None:
            self._tally.count(metric, *self._labels(request))
        elif kind == "task-failed":
            self._count_failure(request, exception_class(fields.get("exception")))
        elif kind == "task-succeeded" and fields.get("runtime") is None:
            # Of a process that was lost when it had stored the result.
            self._tally.count(catalog.TASK_SUCCEEDED, *self._labels(request))

    def on_success(self, request: Any, runtime_seconds: float) -> None:
        """Count a task that succeeded."""
        labels = self._labels(request)
        self._tally.count(catalog.TASK_SUCCEEDED, *labels)
        self._tally.observe(catalog.TASK_RUNTIME, runtime_seconds, *labels)

    def _count_failure(self, request: Any, exception: str) -> None:
        name, hostname, queue = self._labels(request)
        labels = (name, hostname, self._exceptions.of(exception), queue)
        self._tally.count(catalog.TASK_FAILED, *labels)

    def _labels(self, request: Any) -> tuple[str, str, str]:
        # Its type and not its name, which a caller may choose (``shadow``).
        receipt = getattr(request.message, "receipt", None)
        queue = request.delivery_info.get("routing_key") if receipt is None else receipt.queue
        return request.type or request.name, request.hostname, self._queue(queue or "")

    def _queue(self, name: str) -> str:
        return self._queue_names.of(base_of(AmqpQueue(name)))

    def _follow(self, requests: type[Any]) -> None:
        for name, counted in (("send_event", self._counted_events), ("on_success", self._counted)):
            method = getattr(requests, name)
            if not hasattr(method, "celery_aws_counts"):
                setattr(requests, name, _marked(counted(method)))

    def _counted_events(self, send_event: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(send_event)
        def send_and_count(request: Any, type: str, **fields: Any) -> Any:  # noqa: A002 - Celery's
            self.on_event(request, type, fields)
            return send_event(request, type, **fields)

        return send_and_count

    def _counted(self, on_success: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(on_success)
        def end_and_count(request: Any, failed__retval__runtime: Any, **options: Any) -> Any:
            failed, _, runtime_seconds = failed__retval__runtime
            if not failed:
                self.on_success(request, runtime_seconds)
            return on_success(request, failed__retval__runtime, **options)

        return end_and_count


def _marked(method: Callable[..., Any]) -> Callable[..., Any]:
    method.celery_aws_counts = True  # type: ignore[attr-defined]
    return method
