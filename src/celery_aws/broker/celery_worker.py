"""What the transport has to know of the Celery worker that it runs in, if it runs in one.

Nothing of Celery is imported here; only what the process has loaded itself is looked at. A worker
makes itself known by the signal ``worker_ready``, which it sends before its loop runs. A warm
shutdown begins with ``worker_shutting_down``; a cold one sends that only after its soft part, so
the call that begins it is noted instead. Facts: celery/worker/state.py; celery/apps/worker.py
``on_cold_shutdown``; celery/worker/request.py ``execute_using_pool``; ``on_close`` and
``_schedule_bucket_request`` of celery/worker/consumer/consumer.py; celery/concurrency/asynpool.py
``_write_job``; ``should_use_eventloop`` and ``stats`` of celery/worker/worker.py.
"""

import sys
import weakref
from collections.abc import Callable, Iterator
from queue import Empty
from typing import Any

from celery_aws.broker.usage_report import usage_report
from celery_aws.core.lingering import WorkInHand

_consumers: "weakref.WeakSet[Any]" = weakref.WeakSet()
_workers: "weakref.WeakSet[CeleryWorker]" = weakref.WeakSet()

#: celery/bootsteps.py ``RUN``: the worker neither stops nor has stopped.
_RUN = 1


class CeleryWorker:
    """The worker that consumes through one transport; of any other process it knows nothing.

    Args:
        transport: the transport.
        on_shutdown: is called in the main thread, in a signal handler, when a shutdown begins;
            with True if it is a cold one, in which the event loop does not turn again.
        on_ready: is called in the main thread when the worker is ready.
    """

    def __init__(
        self,
        transport: Any,
        on_shutdown: Callable[[bool], None],
        on_ready: Callable[[], None],
    ) -> None:
        self._transport = weakref.ref(transport)
        self._known: weakref.ref[Any] | None = None
        self._on_ready = weakref.WeakMethod(on_ready)
        self._on_shutdown = weakref.WeakMethod(on_shutdown)
        self._told = False
        self._cold = False
        #: Requests of the tasks that were not finished when the shutdown began, and of those
        #: that will never start.
        self._received: list[Any] = []
        self._waiting: list[Any] = []
        #: Requests that were in the pool, or on the way to it, when the connection was lost.
        self._in_pool: weakref.WeakSet[Any] = weakref.WeakSet()
        _connect_signals()
        if _state() is not None:
            # Before there is a pool: Celery first looks whether the transport takes an event loop.
            usage_report()
        _workers.add(self)

    @property
    def present(self) -> bool:
        """True if a worker is known to run on the transport."""
        return self._consumer() is not None

    @property
    def ends_warm(self) -> bool:
        """True if the worker stops, and was not told to end at once."""
        return self.stopping and not self._cold

    @property
    def stopping(self) -> bool:
        """True once the worker was told to stop, warm or cold."""
        consumer = self._consumer()
        if consumer is None:
            return False
        return self._told or _flagged() or _stops(consumer)

    @property
    def told_to_stop(self) -> bool:
        """True once Celery has said here that the worker shall stop."""
        return self._told

    def free_slots(self) -> int | None:
        """Return how many more tasks the worker wants, with ``worker_disable_prefetch``.

        None without that setting: then its prefetch count alone says it.
        """
        consumer = self._consumer()
        if consumer is None or not consumer.app.conf.get("worker_disable_prefetch"):
            return None
        limit = getattr(consumer.controller, "max_concurrency", None)
        limit = limit or consumer.pool.num_processes
        return max(0, int(limit) - len(_state().reserved_requests))

    def work_in_hand(self, *, undelivered: int) -> WorkInHand | None:
        """Return how much the worker has to do; None if no worker is known.

        Args:
            undelivered: messages that Celery was not handed yet.
        """
        consumer = self._consumer()
        if consumer is None:
            return None
        # Celery's "reserved" are those that run or are ready to (celery/worker/strategy.py).
        tasks = len(_state().reserved_requests)
        # A pool that was stopped has no processes to count.
        slots = getattr(consumer.pool, "num_processes", None) or 1
        return WorkInHand(tasks=tasks, undelivered=undelivered, slots=slots)

    def add_revoked(self, task_id: str) -> None:
        """Let the worker in this process discard a task when it is handed its message.

        For the thread that delivers: Celery's set of revoked tasks takes no two threads.
        """
        state = _state()
        if state is not None:
            state.revoked.add(task_id)

    def withdraw_waiting(self) -> list[Any]:
        """Return the messages of tasks that will never start, because the worker stops.

        They wait for a slot of the pool, an eta or a rate limit. Only where the event loop runs
        tasks and timers: it does not turn again. Green pools go on until they are joined.
        """
        consumer = self._consumer()
        if consumer is None or consumer.hub is None or not self.stopping:
            return []
        if _stops(consumer):
            self.loop_ended(consumer)
        waiting, self._waiting = self._waiting, []
        waiting += _withdrawn_from_threads(consumer.pool)
        return [request.message for request in waiting]

    def running_messages(self) -> list[Any]:
        """Return the messages of tasks that go on although the connection is closed."""
        consumer = self._consumer()
        if consumer is None or self.stopping:
            return []
        running = set(_members(_state().active_requests))
        # What waits in a pool that cannot be flushed cannot be taken back, and will run too.
        all_run = getattr(consumer.pool, "flush", None) is None
        known = [*list(_state().requests.values()), *_members(self._in_pool)]
        running.update(r for r in known if all_run or _started(r))
        return [request.message for request in running]

    def shutdown_begins(self, *, cold: bool) -> None:
        """Tell the transport, if a worker runs on it."""
        on_shutdown = self._on_shutdown()
        consumer = self._consumer()
        if on_shutdown is None or consumer is None:
            return
        if not self._told:
            self._told = True
            # Later, Celery has forgotten what it has not started.
            self._received = list(_requests(consumer))
        self._cold = self._cold or cold
        if cold:
            self.loop_ended(consumer)
        on_shutdown(cold)

    def ready(self, consumer: Any) -> None:
        """Tell the transport, if the worker runs on it."""
        on_ready = self._on_ready()
        if on_ready is not None and self._consumer() is consumer:
            on_ready()

    def connection_lost(self, consumer: Any) -> None:
        """Note what is in the pool; Celery forgets of it what does not run yet."""
        if self._consumer() is consumer:
            self._in_pool.update(_members(_state().reserved_requests))

    def loop_ended(self, consumer: Any) -> None:
        """The event loop does not turn again: what has not started by now never will."""
        if self._consumer() is consumer:
            active = _state().active_requests
            self._waiting += [r for r in self._received if r not in active and not _started(r)]
            self._received = []

    def _consumer(self) -> Any:
        known = self._known() if self._known is not None else None
        if known is not None:
            return known
        transport = self._transport()
        for consumer in list(_consumers):
            connection = getattr(consumer, "connection", None)
            if transport is not None and getattr(connection, "_transport", None) is transport:
                self._known = weakref.ref(consumer)
                return consumer
        return None


def _members(requests: Any) -> list[Any]:
    # Pool threads add and remove meanwhile, which ends an iteration over the weak set itself.
    return [each for reference in list(requests.data) if (each := reference()) is not None]


def worker_stops(controller: Any) -> bool:
    """Tell whether a worker was told to stop, or stops; without a lock, from any thread."""
    told = any(each.told_to_stop for each in _members(_workers))
    return told or _flagged() or _ended(controller)


def running_requests() -> list[Any]:
    """Return Celery's requests of the tasks that run in this worker; from any thread."""
    state = _state()
    return [] if state is None else _members(state.active_requests)


def _flagged() -> bool:
    state = _state()
    flags = (getattr(state, name, None) for name in ("should_stop", "should_terminate"))
    # 0 is an exit code here, and means "stop".
    return any(each is not None and each is not False for each in flags)


def _stops(consumer: Any) -> bool:
    return _ended(consumer.controller)


def _ended(controller: Any) -> bool:
    blueprint = getattr(controller, "blueprint", None)
    return blueprint is not None and blueprint.state != _RUN


def _requests(consumer: Any) -> Iterator[Any]:
    """Yield the tasks that the worker has received, but for those that only run."""
    if getattr(consumer.pool, "uses_semaphore", False):
        # Elsewhere a task is handed to the pool at once.
        yield from list(_state().requests.values())
    for bucket in list(consumer.task_buckets.values()):
        for request, _ in list(bucket.contents) if bucket else ():
            yield request
    for waiting in list(consumer.timer.schedule.queue):
        arguments = getattr(waiting.entry, "args", None)
        # Held for its eta; what else the timer holds has no message.
        if arguments and hasattr(arguments[0], "message"):
            yield arguments[0]


def _started(request: Any) -> bool:
    """Tell whether a task was handed to a process or thread of the pool, accepted or not."""
    result = getattr(request, "_apply_result", None)
    if result is None:
        return False
    job = result()  # a weak reference; only prefork keeps what it has not written yet
    return not hasattr(job, "_write_to") or job._write_to is not None  # noqa: SLF001


def _withdrawn_from_threads(pool: Any) -> list[Any]:
    """Take the requests out of a thread pool that wait for a thread; they cannot start any more.

    Celery cancels them too, but when the running ones have ended, and older versions run them.
    """
    waiting: Any = getattr(getattr(pool, "executor", None), "_work_queue", None)
    withdrawn, others = [], []
    while waiting is not None:
        try:
            item = waiting.get_nowait()
        except Empty:
            break
        request = _request_of(item)
        if request is None:
            others.append(item)
        else:
            item.future.cancel()
            withdrawn.append(request)
    for item in others:
        waiting.put(item)
    return withdrawn


def _request_of(item: Any) -> Any:
    """Return the request that a thread pool's work item runs (concurrent/futures/thread.py)."""
    # Since Python 3.14 an item has its function and arguments in one tuple.
    _, held, _ = getattr(item, "task", None) or (None, getattr(item, "args", ()), None)
    # apply_target(target, args, kwargs, callback, accept_callback): celery/concurrency/thread.py
    arguments: tuple[Any, ...] = held
    request = getattr(arguments[4], "__self__", None) if len(arguments) > 4 else None
    return request if hasattr(request, "message") else None


def _state() -> Any:
    return sys.modules.get("celery.worker.state")


def _connect_signals() -> None:
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        # Connecting twice is connecting once.
        signals.worker_ready.connect(_on_ready, dispatch_uid="celery-aws")
        signals.worker_shutting_down.connect(_on_shutting_down, dispatch_uid="celery-aws")


def _on_ready(sender: Any = None, **_: Any) -> None:
    if hasattr(sender, "task_consumer"):
        _consumers.add(sender)
        _note_soft_shutdown(sender.controller)
        _note_lost_connections(sender)
        usage_report().worker_ready(sender.controller)
        if getattr(sender.pool, "flush", None) is not None:
            _keep_what_is_written(sender)
        for worker in list(_workers):
            worker.ready(sender)


def _keep_what_is_written(consumer: Any) -> None:
    """Let Celery not forget tasks that a pool process has been sent and has not accepted yet.

    ``flush``, called when the consumer closes, discards them although they will run; their ends
    would not be seen, nor their messages acknowledged (celery/concurrency/asynpool.py).
    """
    pool, flush = consumer.pool, consumer.pool.flush

    def flush_unwritten() -> None:
        for worker in list(_workers):
            worker.loop_ended(consumer)
        jobs = list(getattr(pool._pool, "_cache", {}).values())  # noqa: SLF001
        written = [job for job in jobs if job._write_to is not None and not job._accepted]  # noqa: SLF001
        for job in written:
            job._accepted = True  # noqa: SLF001
        try:
            flush()
        finally:
            for job in written:
                job._accepted = False  # noqa: SLF001

    pool.flush = flush_unwritten


def _note_lost_connections(consumer: Any) -> None:
    """Hear of a lost connection before Celery forgets what has not started.

    What a pool without ``flush`` was handed runs all the same (celery/worker/consumer/consumer.py
    ``on_close``); given back, it would run twice.
    """
    on_close = consumer.on_close

    def noted() -> None:
        for worker in list(_workers):
            worker.connection_lost(consumer)
        on_close()

    consumer.on_close = noted


def _note_soft_shutdown(controller: Any) -> None:
    """Hear of a cold shutdown when it begins; the soft part that it may have comes first."""
    wait_for_soft_shutdown = controller.wait_for_soft_shutdown

    def noted() -> None:
        _tell_workers(cold=True)
        wait_for_soft_shutdown()

    controller.wait_for_soft_shutdown = noted


def _on_shutting_down(how: str = "", **_: Any) -> None:
    _tell_workers(cold=how == "Cold")


def _tell_workers(*, cold: bool) -> None:
    for worker in list(_workers):
        worker.shutdown_begins(cold=cold)
