"""Counts of tasks and workers from Celery's events, as a monitor hears them.

An event of a task names only its id, but for the first ones (``task-sent``, ``task-received``),
which also have its name; and only ``task-sent`` has its queue. So what is known of the latest tasks
is remembered. The queue of a task that nobody has told of is where the app routes its name to.
Facts: celery/worker/request.py, celery/app/amqp.py (the fields of events),
celery/events/state.py (``heartbeat_expires``), celery/events/receiver.py (``event_from_message``).
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from celery_aws.clock import Clock
from celery_aws.core.priorities import base_of
from celery_aws.core.task_eta import moment
from celery_aws.metrics import catalog
from celery_aws.metrics.bounded_names import BoundedNames
from celery_aws.metrics.description import Metric
from celery_aws.metrics.samples import Sample
from celery_aws.metrics.tally import Tally
from celery_aws.metrics.task_observer import exception_class
from celery_aws.names import AmqpQueue

#: What is counted of each event of a task, but for failures, which have a label more.
COUNTED: Final[Mapping[str, Metric]] = {
    "task-sent": catalog.TASK_SENT,
    "task-received": catalog.TASK_RECEIVED,
    "task-started": catalog.TASK_STARTED,
    "task-succeeded": catalog.TASK_SUCCEEDED,
    "task-rejected": catalog.TASK_REJECTED,
    "task-revoked": catalog.TASK_REVOKED,
    "task-retried": catalog.TASK_RETRIED,
}

#: Events after which a task's queue is rid of it.
ENDS: Final = frozenset({"task-succeeded", "task-failed", "task-revoked"})

#: The two events between which a task waits.
BEGINNINGS: Final = ("task-sent", "task-started")

#: Tasks that are remembered, the latest ones.
REMEMBERED_TASKS: Final = 20_000

#: The name of a task whose first events were not heard.
UNKNOWN: Final = "unknown"

#: In place of the hosts of clients, which there may be any number of; the Celery exporter's word.
GENERIC: Final = "generic"

#: Heartbeats are this many of their intervals late before a worker is taken for offline.
_LATE: Final = 2

#: Seconds between heartbeats of a worker that does not say.
_HEARTBEAT_SECONDS: Final = 60.0

#: Seconds after the last sign of life until a worker's metrics are dropped.
FORGET_SECONDS: Final = 600.0


@dataclass(frozen=True, kw_only=True)
class _Task:
    name: str
    queue: str | None = None
    #: When it was to run first, by Unix time: published, or due.
    wanted_at: float | None = None
    #: When it began, and where; of the two events, either may be heard first.
    began_at: float | None = None
    host: str = GENERIC


@dataclass(frozen=True, kw_only=True)
class _Worker:
    heard_at: float
    heartbeat_seconds: float
    active: int = 0
    online: bool = True


class EventCounts:
    """A :class:`~celery_aws.metrics.samples.Source` of events; thread-safe.

    Args:
        names: lets names of tasks through.
        queues: lets names of queues through.
        route: returns the queue that the app routes a task to, by its name.
        on_end: is told the queue of each task that ends.
        by_host: tell workers apart; otherwise all are ``generic``.
        clock: says when heartbeats are late.
    """

    def __init__(
        self,
        *,
        names: BoundedNames,
        queues: BoundedNames,
        route: Callable[[str], str],
        on_end: Callable[[str], None],
        by_host: bool,
        clock: Clock,
    ) -> None:
        self._names = names
        self._queues = queues
        self._exceptions = BoundedNames()
        self._route = route
        self._on_end = on_end
        self._by_host = by_host
        self._clock = clock
        self._tally = Tally()
        self._tasks: OrderedDict[str, _Task] = OrderedDict()
        self._workers: dict[str, _Worker] = {}
        #: When each worker was last heard of; of one without heartbeats, its tasks tell.
        self._heard_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def handle(self, event: Mapping[str, Any]) -> None:
        """Count an event; one that is not understood is passed over."""
        kind, hostname = str(event.get("type")), str(event.get("hostname") or UNKNOWN)
        with self._lock:
            if kind.startswith(("worker-", "task-")) and kind != "task-sent":
                self._heard_at[hostname] = self._clock.monotonic()
            if kind.startswith("worker-"):
                self._note_worker(kind, hostname, event)
            elif kind in COUNTED or kind == "task-failed":
                self._count(kind, hostname, event)

    def samples(self) -> Iterable[Sample]:
        """Return what was heard so far. Costs no request."""
        with self._lock:
            self._forget_workers()
            return [*self._of_workers(), *self._tally.samples()]

    @property
    def workers_online(self) -> int:
        """How many workers are alive, as their heartbeats tell."""
        with self._lock:
            return sum(map(self._alive, self._workers.values()))

    def _count(self, kind: str, hostname: str, event: Mapping[str, Any]) -> None:
        # How many clients there are, nobody bounds.
        host = hostname if self._by_host and kind != "task-sent" else GENERIC
        task = self._learn(kind, host, event)
        name = self._names.of(task.name)
        queue = self._queues.of(base_of(AmqpQueue(task.queue or self._route(task.name))))
        if kind == "task-failed":
            exception = self._exceptions.of(exception_class(event.get("exception")))
            self._tally.count(catalog.TASK_FAILED, name, host, exception, queue)
        else:
            self._tally.count(COUNTED[kind], name, host, queue)
        runtime = event.get("runtime")
        if kind == "task-succeeded" and runtime is not None:
            self._tally.observe(catalog.TASK_RUNTIME, float(runtime), name, host, queue)
        if kind in BEGINNINGS and task.wanted_at is not None and task.began_at is not None:
            # Clocks differ.
            waited = max(0.0, task.began_at - task.wanted_at)
            self._tally.observe(catalog.TASK_QUEUE_WAIT_TIME, waited, name, task.host, queue)
        if kind in ENDS:
            self._on_end(queue)

    def _learn(self, kind: str, host: str, event: Mapping[str, Any]) -> _Task:
        task_id = str(event.get("uuid"))
        task = self._tasks.get(task_id) or _Task(name=UNKNOWN)
        if event.get("name"):
            task = replace(task, name=str(event["name"]))
        if kind == "task-sent":
            queue = event.get("queue") or event.get("routing_key")
            wanted_at = _wanted_at(event)
            task = replace(task, queue=None if queue is None else str(queue), wanted_at=wanted_at)
        if kind == "task-started":
            task = replace(task, began_at=event.get("raw_timestamp"), host=host)
        if kind == "task-retried":
            # It is sent again, and waits again.
            task = replace(task, wanted_at=None, began_at=None)
        self._tasks[task_id] = task
        if len(self._tasks) > REMEMBERED_TASKS:
            self._tasks.popitem(last=False)
        return task

    def _note_worker(self, kind: str, hostname: str, event: Mapping[str, Any]) -> None:
        self._workers[hostname] = _Worker(
            heard_at=self._clock.monotonic(),
            heartbeat_seconds=float(event.get("freq") or _HEARTBEAT_SECONDS),
            active=int(event.get("active") or 0),
            online=kind != "worker-offline",
        )

    def _alive(self, worker: _Worker) -> bool:
        age_seconds = self._clock.monotonic() - worker.heard_at
        return worker.online and age_seconds <= _LATE * worker.heartbeat_seconds

    def _of_workers(self) -> Iterable[Sample]:
        up: dict[str, int] = {}
        active: dict[str, int] = {}
        for hostname, worker in self._workers.items():
            host, alive = hostname if self._by_host else GENERIC, self._alive(worker)
            up[host] = up.get(host, 0) + alive
            active[host] = active.get(host, 0) + (worker.active if alive else 0)
        yield from (Sample(catalog.WORKER_UP, (host,), float(n)) for host, n in up.items())
        for host, number in active.items():
            yield Sample(catalog.WORKER_TASKS_ACTIVE, (host,), float(number))

    def _forget_workers(self) -> None:
        now = self._clock.monotonic()
        for hostname, heard_at in list(self._heard_at.items()):
            worker = self._workers.get(hostname)
            alive = worker is not None and self._alive(worker)
            if now - heard_at > FORGET_SECONDS and not alive:
                del self._heard_at[hostname]
                self._workers.pop(hostname, None)
                self._tally.drop("hostname", hostname)


def _wanted_at(event: Mapping[str, Any]) -> float | None:
    # Not ``timestamp``: see celery_aws.metrics.event_listener.
    sent_at: float | None = event.get("raw_timestamp")
    eta: datetime | None = moment(event.get("eta"))
    return sent_at if eta is None or sent_at is None else max(sent_at, eta.timestamp())
