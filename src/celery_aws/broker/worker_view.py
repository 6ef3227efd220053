"""What may be seen of a Celery worker by a thread that watches it.

It is read while anything else of the worker may hang: without a lock, and without calling into
Celery but for attributes. Facts: celery/worker/worker.py ``WorkController``;
``Blueprint.stop`` of celery/bootsteps.py;
celery/concurrency/prefork.py (``_pool`` is billiard's pool, whose ``_pool`` are its processes);
celery/worker/request.py ``execute_using_pool`` (which time limit is a task's).
"""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from celery_aws.broker.celery_worker import running_requests, worker_stops
from celery_aws.broker.status import DeliveryStatus

Phase = Literal["starting", "running", "reconnecting", "stopping"]

#: Where Celery's own pools are.
_POOLS = "celery.concurrency."


@dataclass(frozen=True, kw_only=True)
class RunningTask:
    """A task that runs.

    Attributes:
        key: the same for as long as it runs, and no other's.
        limit_seconds: how long it may take, None if nobody has said. A solo pool does not end it
            then.
    """

    key: Any
    limit_seconds: float | None


class WorkerView:
    """One worker of this process.

    Args:
        controller: Celery's ``WorkController``; not kept alive.
    """

    def __init__(self, controller: Any) -> None:
        self._controller = weakref.ref(controller)
        #: Its name, such as ``celery@host``.
        self.node = str(controller.hostname)

    @property
    def app(self) -> Any:
        """Its Celery app; None once the worker is gone."""
        return getattr(self._controller(), "app", None)

    def queues(self) -> list[str]:
        """Return the queues that it consumes now, by Celery's names; none while it connects."""
        consumer = getattr(self._controller(), "consumer", None)
        # None while it connects; missing before.
        queues = getattr(getattr(consumer, "task_consumer", None), "queues", ())
        return [str(queue.name) for queue in list(queues)]

    @property
    def has_ended(self) -> bool:
        """True once the worker is no more, though its process may go on: it was embedded."""
        controller = self._controller()
        done = getattr(getattr(controller, "blueprint", None), "shutdown_complete", None)
        return controller is None or (done is not None and bool(done.is_set()))

    @property
    def pool_kind(self) -> str:
        """``prefork``, ``solo``, ``threads``, ``gevent``, ``eventlet``, or a module of others."""
        module = type(getattr(self._controller(), "pool", None)).__module__
        kind = module.removeprefix(_POOLS)
        return {"thread": "threads", "builtins": "none"}.get(kind, kind)

    @property
    def is_green(self) -> bool:
        """True if greenlets run its tasks."""
        return bool(getattr(getattr(self._controller(), "pool", None), "is_green", False))

    @property
    def slots(self) -> int:
        """How many tasks may run at once."""
        return int(getattr(getattr(self._controller(), "pool", None), "num_processes", 0) or 0)

    def phase(self, status: DeliveryStatus) -> Phase:
        """Return what the worker is at.

        Args:
            status: of its process.
        """
        controller = self._controller()
        if controller is None or worker_stops(controller):
            return "stopping"
        if status.loop_turned_at is None:
            return "starting"
        return "running" if status.loop_connected else "reconnecting"

    def children(self) -> tuple[int, Sequence[int]]:
        """Return how many pool processes there shall be, and the pids of those known."""
        pool = getattr(self._controller(), "pool", None)
        processes = getattr(getattr(pool, "_pool", None), "_pool", None)
        if not isinstance(processes, list):
            return 0, ()
        pids = [each.pid for each in list(processes) if each.pid is not None]
        return self.slots, pids

    def running(self) -> list[RunningTask]:
        """Return the tasks that run."""
        of_worker = getattr(self._controller(), "time_limit", None)
        return [_running(request, of_worker) for request in running_requests()]


def _running(request: Any, limit_of_worker: float | None) -> RunningTask:
    of_message, _ = request.time_limits
    limit = of_message or getattr(request.task, "time_limit", None) or limit_of_worker
    return RunningTask(key=request, limit_seconds=None if limit is None else float(limit))
