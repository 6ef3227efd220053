"""The worker as Celery leaves it: stand-ins for its objects, and its own state."""

import queue
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from celery import signals
from celery.concurrency.thread import TaskPool
from celery.worker import state

from celery_aws.broker.celery_worker import CeleryWorker
from celery_aws.core.lingering import WorkInHand

RUN, CLOSE = 1, 2


class Request:
    """A task that a worker has received."""

    def __init__(self, name: str, job: Any = None, *, submitted: bool = False) -> None:
        self.id = name
        self.message = f"message of {name}"
        self.job = job
        self._apply_result: Callable[[], Any] | None = None
        if submitted:
            self._apply_result = (lambda: None) if job is None else weakref.ref(job)

    def on_accepted(self, pid: int = 0, time_accepted: float = 0.0) -> None: ...


class Job:
    def __init__(self, write_to: str | None, *, accepted: bool = False) -> None:
        self._write_to = write_to
        self._accepted = accepted


class Consumer:
    """What Celery's consumer has, as far as it is looked at."""

    def __init__(self, transport: object, **pool: Any) -> None:
        self.task_consumer = None
        self.connection = SimpleNamespace(_transport=transport)
        self.hub: object | None = object()
        self.app = SimpleNamespace(conf={"worker_disable_prefetch": False})
        self.pool = SimpleNamespace(**pool)
        self.task_buckets: dict[str, Any] = {"limited": None}
        self.timer = SimpleNamespace(schedule=SimpleNamespace(queue=[]))
        self.slept: list[str] = []
        self.controller = SimpleNamespace(
            blueprint=SimpleNamespace(state=RUN),
            wait_for_soft_shutdown=lambda: self.slept.append("slept"),
            stats=lambda: {"total": {}},
        )

    def on_close(self) -> None:
        """Forget what does not run, as Celery does when it has lost its connection."""
        for request in tuple(state.reserved_requests):
            if request not in state.active_requests:
                state.requests.pop(request.id, None)
        state.reserved_requests.clear()

    def stop(self) -> None:
        self.controller.blueprint.state = CLOSE


class Transport:
    """Owns the worker that is looked at, as the real one does."""

    def __init__(self) -> None:
        self.told: list[bool] = []
        self.ready = 0
        self.worker = CeleryWorker(self, self.shutdown_begins, self.worker_ready)

    def worker_ready(self) -> None:
        self.ready += 1

    def shutdown_begins(self, cold: bool) -> None:
        self.told.append(cold)

    def runs_in(self, consumer: Consumer) -> None:
        # Kept: in a worker, the worker does.
        self.consumer = consumer
        signals.worker_ready.send(sender=consumer)


@pytest.fixture(autouse=True)
def no_other_worker() -> Iterator[None]:
    yield
    state.requests.clear()
    state.active_requests.clear()
    state.reserved_requests.clear()


@pytest.fixture
def transport() -> Transport:
    return Transport()


def prefork(transport: Transport, *jobs: Job) -> Consumer:
    flushed: list[list[Job]] = []

    def flush() -> None:
        flushed.append([job for job in jobs if not job._accepted])

    pool = SimpleNamespace(_cache=dict(enumerate(jobs)))
    consumer = Consumer(transport, uses_semaphore=True, flush=flush, _pool=pool, flushed=flushed)
    transport.runs_in(consumer)
    return consumer


def threads(transport: Transport) -> Consumer:
    executor = SimpleNamespace(_work_queue=queue.SimpleQueue())
    consumer = Consumer(transport, executor=executor)
    transport.runs_in(consumer)
    return consumer


def receive(*requests: Request) -> list[Request]:
    state.requests.update({request.id: request for request in requests})
    return list(requests)


def test_a_process_without_a_worker_knows_nothing(transport: Transport) -> None:
    assert not transport.worker.stopping
    assert not transport.worker.ends_warm
    assert transport.worker.free_slots() is None
    assert transport.worker.withdraw_waiting() == []
    assert transport.worker.running_messages() == []


def test_the_worker_of_another_connection_is_not_ours(transport: Transport) -> None:
    other = prefork(Transport())

    signals.worker_shutting_down.send(sender="w", how="Warm")

    assert transport.told == []
    assert other.controller.blueprint.state == RUN


def test_it_hears_of_a_warm_shutdown(transport: Transport) -> None:
    consumer = prefork(transport)
    assert not transport.worker.stopping
    assert not transport.worker.ends_warm, "only its connection may end"

    signals.worker_shutting_down.send(sender="w", how="Warm")

    assert transport.told == [False]
    assert transport.worker.stopping
    assert transport.worker.ends_warm
    assert consumer.slept == []


def test_it_hears_of_a_soft_shutdown_before_it_sleeps(transport: Transport) -> None:
    consumer = prefork(transport)

    consumer.controller.wait_for_soft_shutdown()

    assert transport.told == [True]
    assert consumer.slept == ["slept"]
    assert not transport.worker.ends_warm


def test_an_exit_code_of_0_means_to_stop(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = prefork(transport)
    monkeypatch.setattr(state, "should_stop", 0)

    assert transport.worker.stopping
    assert consumer.controller.blueprint.state == RUN


def test_a_task_that_is_revoked_elsewhere_is_one_that_celery_discards(transport: Transport) -> None:
    transport.worker.add_revoked("task-1")

    assert "task-1" in state.revoked
    state.revoked.discard("task-1")


def test_without_a_worker_nobody_discards_anything(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "celery.worker.state")

    transport.worker.add_revoked("task-1")

    assert "task-1" not in state.revoked


class TestPrefork:
    def test_what_no_process_was_sent_will_never_start(self, transport: Transport) -> None:
        written, unwritten = Job("process 1"), Job(None)
        consumer = prefork(transport, written, unwritten)
        running, sent, unsent, waiting = receive(
            Request("running", submitted=True),
            Request("sent", written, submitted=True),
            Request("unsent", unwritten, submitted=True),
            Request("waiting"),
        )
        state.active_requests.add(running)
        signals.worker_shutting_down.send(sender="w", how="Warm")
        assert transport.worker.withdraw_waiting() == []  # the loop may turn once more

        consumer.pool.flush()
        consumer.stop()

        assert transport.worker.withdraw_waiting() == [unsent.message, waiting.message]
        assert transport.worker.withdraw_waiting() == []
        assert sent.message

    def test_what_starts_before_the_loop_ends_is_not_withdrawn(self, transport: Transport) -> None:
        consumer = prefork(transport)
        (request,) = receive(Request("waiting"))
        signals.worker_shutting_down.send(sender="w", how="Warm")
        request._apply_result = lambda: None  # finished, and its job is gone

        consumer.pool.flush()
        consumer.stop()

        assert transport.worker.withdraw_waiting() == []

    def test_in_a_cold_shutdown_the_loop_has_ended(self, transport: Transport) -> None:
        consumer = prefork(transport)
        (request,) = receive(Request("waiting"))

        consumer.controller.wait_for_soft_shutdown()

        assert transport.worker.withdraw_waiting() == [request.message]

    def test_a_flush_forgets_nothing_that_a_process_was_sent(self, transport: Transport) -> None:
        written, unwritten, accepted = Job("1"), Job(None), Job("2", accepted=True)
        consumer = prefork(transport, written, unwritten, accepted)

        consumer.pool.flush()

        assert consumer.pool.flushed == [[unwritten]]
        assert (written._accepted, accepted._accepted) == (False, True)

    def test_etas_and_rate_limits_hold_tasks_too(self, transport: Transport) -> None:
        consumer = prefork(transport)
        eta, limited = Request("eta"), Request("limited")
        entry = SimpleNamespace(args=(eta,))
        consumer.timer.schedule.queue += [
            SimpleNamespace(entry=entry),
            SimpleNamespace(entry=SimpleNamespace(args=())),
            SimpleNamespace(entry=SimpleNamespace(args=("no request",))),
        ]
        consumer.task_buckets["limited"] = SimpleNamespace(contents=deque([(limited, 1)]))

        consumer.controller.wait_for_soft_shutdown()

        assert transport.worker.withdraw_waiting() == [limited.message, eta.message]

    def test_a_lost_connection_leaves_what_runs(self, transport: Transport) -> None:
        written = Job("1")
        prefork(transport, written)
        running, sent, waiting = receive(
            Request("running", submitted=True),
            Request("sent", written, submitted=True),
            Request("waiting"),
        )
        state.active_requests.add(running)

        kept = transport.worker.running_messages()

        assert sorted(kept) == sorted([running.message, sent.message])
        assert waiting.message not in kept

    def test_a_worker_that_stops_leaves_nothing(self, transport: Transport) -> None:
        prefork(transport)
        (running,) = receive(Request("running", submitted=True))
        state.active_requests.add(running)

        signals.worker_shutting_down.send(sender="w", how="Warm")

        assert transport.worker.running_messages() == []


class TestThreads:
    def work_item(self, name: str, *, python: str) -> Any:
        on_accepted = Request(name).on_accepted
        arguments: tuple[Any, ...] = ("target", (), {}, "callback", on_accepted)
        if python == "3.14":
            return SimpleNamespace(future=Future(), task=("apply_target", arguments, {}))
        return SimpleNamespace(future=Future(), fn="apply_target", args=arguments, kwargs={})

    @pytest.mark.parametrize("python", ["3.10", "3.14"])
    def test_what_waits_for_a_thread_is_taken_back(self, transport: Transport, python: str) -> None:
        consumer = threads(transport)
        items = [self.work_item(name, python=python) for name in "ab"]
        strange = SimpleNamespace(future=Future(), args=("something else",))
        for item in (items[0], None, strange, items[1]):
            consumer.pool.executor._work_queue.put(item)
        signals.worker_shutting_down.send(sender="w", how="Warm")
        consumer.stop()

        assert transport.worker.withdraw_waiting() == ["message of a", "message of b"]

        assert all(item.future.cancelled() for item in items)
        left = consumer.pool.executor._work_queue
        assert [left.get_nowait(), left.get_nowait()] == [None, strange]
        assert left.empty()

    def test_the_pool_of_this_python_is_understood(self, transport: Transport) -> None:
        pool = TaskPool(1)
        running, go_on = threading.Event(), threading.Event()

        def run(*_: Any) -> None:
            running.set()
            go_on.wait(10.0)

        consumer = Consumer(transport, executor=pool.executor)
        transport.runs_in(consumer)
        pool.on_apply(run, (), {}, accept_callback=Request("running").on_accepted)
        pool.on_apply(run, (), {}, accept_callback=Request("waiting").on_accepted)
        assert running.wait(10.0)
        consumer.stop()
        try:
            assert transport.worker.withdraw_waiting() == ["message of waiting"]
        finally:
            go_on.set()
            pool.on_stop()

    def test_what_runs_is_not_withdrawn(self, transport: Transport) -> None:
        consumer = threads(transport)
        receive(Request("running", submitted=True))
        signals.worker_shutting_down.send(sender="w", how="Warm")
        consumer.stop()

        assert transport.worker.withdraw_waiting() == []

    def test_everything_in_the_pool_outlives_the_connection(self, transport: Transport) -> None:
        threads(transport)
        (queued,) = receive(Request("queued", submitted=True))

        assert transport.worker.running_messages() == [queued.message]

    def test_so_does_what_celery_forgets(self, transport: Transport) -> None:
        consumer = threads(transport)
        (queued,) = receive(Request("queued", submitted=True))
        state.reserved_requests.add(queued)

        consumer.on_close()

        assert state.requests == {}
        assert transport.worker.running_messages() == [queued.message]


def test_green_pools_go_on_until_they_are_joined(transport: Transport) -> None:
    consumer = Consumer(transport)
    consumer.hub = None
    transport.runs_in(consumer)
    consumer.controller.wait_for_soft_shutdown()

    assert transport.worker.withdraw_waiting() == []


class TestDisabledPrefetch:
    @pytest.fixture
    def consumer(self, transport: Transport) -> Consumer:
        consumer = prefork(transport)
        consumer.app.conf["worker_disable_prefetch"] = True
        consumer.pool.num_processes = 4
        return consumer

    def test_tasks_that_run_take_slots(self, transport: Transport, consumer: Consumer) -> None:
        requests = [Request("a"), Request("b"), Request("c")]
        state.reserved_requests.update(requests)

        assert transport.worker.free_slots() == 1
        assert consumer.pool.num_processes == 4

    def test_there_are_never_less_than_none(self, transport: Transport, consumer: Consumer) -> None:
        requests = [Request(str(number)) for number in range(9)]
        state.reserved_requests.update(requests)

        assert transport.worker.free_slots() == 0

    def test_autoscaling_has_its_own_limit(self, transport: Transport, consumer: Consumer) -> None:
        consumer.controller.max_concurrency = 10

        assert transport.worker.free_slots() == 10


class TestWorkInHand:
    def test_it_is_what_runs_or_could(self, transport: Transport) -> None:
        consumer = prefork(transport)
        consumer.pool.num_processes = 4
        requests = [Request("a"), Request("b")]
        state.reserved_requests.update(requests)

        work = transport.worker.work_in_hand(undelivered=3)

        assert work == WorkInHand(tasks=2, undelivered=3, slots=4)

    def test_a_pool_that_was_stopped_has_one_slot(self, transport: Transport) -> None:
        prefork(transport)

        work = transport.worker.work_in_hand(undelivered=0)

        assert work == WorkInHand(tasks=0, undelivered=0, slots=1)

    def test_without_a_worker_nobody_knows(self, transport: Transport) -> None:
        assert transport.worker.work_in_hand(undelivered=3) is None
