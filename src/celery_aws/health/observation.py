"""Makes a worker's state of what can be seen of it from one of its threads.

It takes no lock of Celery's or the broker's: their holders may be what hangs.
"""

import _thread
import os
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from celery_aws.background import BackgroundThread
from celery_aws.broker.poll_record import ReceiverStatus
from celery_aws.broker.status import delivery_status
from celery_aws.broker.worker_view import RunningTask, WorkerView
from celery_aws.health.processes import condition_of, started_at
from celery_aws.health.worker_state import PoolState, QueueState, TaskState, WorkerState
from celery_aws.native_threads import unpatched

#: The parts of the package that Celery's own code in the event loop asks AWS through.
_ASKING_AWS = ("celery_aws.aws.", "celery_aws.results.")

#: Seconds between two beats of greenlets.
PULSE_SECONDS = 1.0


class GreenletPulse(BackgroundThread):
    """A greenlet that gets its turn each second, if any does.

    The loop of a worker with greenlets waits where its pool is full, until a task ends
    (``gevent.pool.Pool.spawn``), and shows nothing then. What else it waits for is seen from here
    alone: a thread has the frames of the greenlet that runs, and may not look at those of others.

    Made in the greenlet of the loop.
    """

    def __init__(self) -> None:
        super().__init__("celery-aws-greenlets")
        self.beaten_at = time.monotonic()
        self.loop_waits_for_aws = False
        self._loop = _current_greenlet()
        self._ending = threading.Event()

    def run(self) -> None:
        """Beat until stopped."""
        while not self._ending.wait(PULSE_SECONDS):
            self.beaten_at = time.monotonic()
            self.loop_waits_for_aws = _asks_aws(getattr(self._loop, "gr_frame", None))

    def wake(self) -> None:
        """End it."""
        self._ending.set()


class Observer:
    """Looks at one worker, and remembers since when it is as it is.

    Args:
        worker: the worker.
    """

    def __init__(self, worker: WorkerView) -> None:
        self._worker = worker
        self._greenlets = GreenletPulse() if worker.is_green else None
        if self._greenlets is not None:
            self._greenlets.start()
        self._pid = os.getpid()
        self._process_started = started_at(self._pid)
        #: By the key of each task that runs, since when. Not by its own clock, which is that of
        #: the wall and may jump.
        self._running_since: dict[Any, float] = {}
        self._pool_down_since: float | None = None

    def close(self) -> None:
        """Look no more."""
        if self._greenlets is not None:
            self._greenlets.stop(0)

    def observe(self, now: float) -> WorkerState:
        """Return how the worker is.

        Args:
            now: by the monotonic clock.
        """
        status, running = delivery_status(), self._worker.running()
        turned_at = status.loop_turned_at
        return WorkerState(
            node=self._worker.node,
            pid=self._pid,
            process_started=self._process_started,
            written_at=now,
            written=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            phase=self._worker.phase(status),
            loop_age_seconds=None if turned_at is None else max(0.0, now - turned_at),
            loop_waits_for_aws=self._loop_waits_for_aws(),
            pool=self._pool(now, len(running)),
            task=self._oldest_task(now, running),
            queues=tuple(_queue(each) for each in status.receivers),
            leases_held=status.held,
            leases_lost=status.leases_lost,
        )

    def _loop_waits_for_aws(self) -> bool:
        if self._greenlets is not None and self._greenlets.loop_waits_for_aws:
            return True
        return waits_for_aws(threading.main_thread().ident)

    def _pool(self, now: float, running: int) -> PoolState:
        wanted, pids = self._worker.children()
        conditions = {pid: condition_of(pid) for pid in pids}
        if wanted == 0 or "running" in conditions.values():
            self._pool_down_since = None
        elif self._pool_down_since is None:
            self._pool_down_since = now
        since = self._pool_down_since
        return PoolState(
            kind=self._worker.pool_kind,
            full=0 < self._worker.slots <= running,
            greenlets_age_seconds=(
                None if self._greenlets is None else max(0.0, now - self._greenlets.beaten_at)
            ),
            wanted=wanted,
            pids=tuple(pids),
            stopped=tuple(pid for pid in pids if conditions[pid] == "stopped"),
            gone=tuple(pid for pid in pids if conditions[pid] == "gone"),
            down_seconds=None if since is None else now - since,
        )

    def _oldest_task(self, now: float, running: Sequence[RunningTask]) -> TaskState | None:
        tasks = {task.key: task for task in running}
        known = self._running_since
        self._running_since = {key: known.get(key, now) for key in tasks}
        if not tasks:
            return None
        oldest = min(tasks, key=lambda key: self._running_since[key])
        return TaskState(
            age_seconds=now - self._running_since[oldest],
            limit_seconds=tasks[oldest].limit_seconds,
        )


def waits_for_aws(thread: int | None) -> bool:
    """Tell whether a thread is in a request to AWS of ours, or between two tries of one.

    Args:
        thread: its identifier. Each of our requests ends by itself.
    """
    return _asks_aws(sys._current_frames().get(thread or 0))  # noqa: SLF001 - as faulthandler


def _asks_aws(frame: Any) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_ASKING_AWS):
            return True
        frame = frame.f_back
    return False


def _current_greenlet() -> Any:
    """Return the greenlet that runs; None where threads are not greenlets."""
    if _thread.get_ident is unpatched("_thread", "get_ident"):
        return None
    return sys.modules["greenlet"].getcurrent()


def _queue(receiver: ReceiverStatus) -> QueueState:
    return QueueState(
        name=receiver.queue,
        doing=receiver.doing,
        answered=receiver.answered,
        unanswered_seconds=receiver.unanswered_seconds,
        failing_seconds=receiver.failing_seconds,
        error=receiver.error,
        temporary=receiver.temporary,
        pause_seconds=receiver.pause_seconds,
    )
