"""A view of stand-ins for Celery's objects; real workers are in tests/integration."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency.solo import TaskPool as SoloPool
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.worker import state

from celery_aws.broker.status import DeliveryStatus
from celery_aws.broker.worker_view import RunningTask, WorkerView

RUN, CLOSE = 1, 2


class Controller:
    """What Celery's worker has, as far as it is looked at."""

    def __init__(self, pool: Any = None, time_limit: float | None = None) -> None:
        self.hostname = "one@host"
        self.pool = pool
        self.time_limit = time_limit
        self.blueprint = SimpleNamespace(state=RUN, shutdown_complete=threading.Event())


class Request:
    """A task that runs."""

    def __init__(self, of_message: float | None = None, of_task: float | None = None) -> None:
        self.time_limits = [of_message, None]
        self.task = SimpleNamespace(time_limit=of_task)


@pytest.fixture
def runs() -> Iterator[list[Request]]:
    requests: list[Request] = []
    yield requests
    state.active_requests.clear()


def status(**loop: Any) -> DeliveryStatus:
    return DeliveryStatus(last_polls={}, held=0, **loop)


def test_phases() -> None:
    controller = Controller()
    view = WorkerView(controller)
    assert view.node == "one@host"
    assert view.phase(status()) == "starting"
    assert view.phase(status(loop_turned_at=1.0, loop_connected=True)) == "running"
    assert view.phase(status(loop_turned_at=1.0)) == "reconnecting"
    controller.blueprint.state = CLOSE
    assert view.phase(status(loop_turned_at=1.0, loop_connected=True)) == "stopping"


def test_one_that_is_embedded_ends_before_its_process() -> None:
    controller = Controller()
    view = WorkerView(controller)
    assert not view.has_ended
    controller.blueprint.shutdown_complete.set()
    assert view.has_ended


@pytest.mark.parametrize("flag", ["should_stop", "should_terminate"])
def test_a_flag_of_celerys_is_a_shutdown(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller()
    monkeypatch.setattr(state, flag, 0)
    assert WorkerView(controller).phase(status(loop_turned_at=1.0)) == "stopping"


def test_a_worker_that_is_no_more_has_stopped() -> None:
    view = WorkerView(Controller())
    assert view.phase(status(loop_turned_at=1.0, loop_connected=True)) == "stopping"
    assert view.has_ended
    assert view.children() == (0, ())
    assert (view.pool_kind, view.slots, view.is_green) == ("none", 0, False)


def test_pools_have_the_names_that_celery_takes() -> None:
    solo, threads = Controller(SoloPool()), Controller(ThreadPool(limit=3))
    assert WorkerView(solo).pool_kind == "solo"
    assert (WorkerView(threads).pool_kind, WorkerView(threads).slots) == ("threads", 3)
    own = Controller(SimpleNamespace(num_processes=1, is_green=True))
    assert (WorkerView(own).pool_kind, WorkerView(own).is_green) == ("types", True)


def test_processes_of_the_pool_that_are_known() -> None:
    processes = [SimpleNamespace(pid=11), SimpleNamespace(pid=None), SimpleNamespace(pid=12)]
    pool = SimpleNamespace(_pool=SimpleNamespace(_pool=processes), num_processes=3)
    controller = Controller(pool)
    assert WorkerView(controller).children() == (3, [11, 12])


@pytest.mark.parametrize(
    ("of_message", "of_task", "of_worker", "expected"),
    [(None, None, None, None), (None, None, 9, 9.0), (None, 5, 9, 5.0), (1, 5, 9, 1.0)],
)
def test_the_closest_time_limit_is_a_tasks(
    runs: list[Request],
    of_message: float | None,
    of_task: float | None,
    of_worker: float | None,
    expected: float | None,
) -> None:
    request = Request(of_message, of_task)
    runs.append(request)
    state.active_requests.add(request)
    controller = Controller(time_limit=of_worker)
    assert WorkerView(controller).running() == [RunningTask(key=request, limit_seconds=expected)]
