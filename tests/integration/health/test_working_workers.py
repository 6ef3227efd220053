"""Workers that do what they shall: busy, paused, shutting down; none is to be started anew.

The thresholds are scaled: seconds where the defaults are minutes.
"""

import json
import signal

import pytest

from celery_aws.health.worker_state import WorkerState
from tests.integration.health.conftest import LIVE, READY, THRESHOLDS, HealthProject
from tests.integration.workers.conftest import EVENTLET_ENDS_CLEAN

pytestmark = pytest.mark.worker

EVENTLET = pytest.param(
    "eventlet",
    marks=pytest.mark.skipif(not EVENTLET_ENDS_CLEAN, reason="this Celery ends it with an error"),
)


def busy(state: WorkerState) -> bool:
    """Tell whether all that the worker may hold it holds, and for longer than a loop may rest."""
    waiting = all(queue.doing == "waiting" for queue in state.queues)
    return waiting and state.task is not None and state.task.age_seconds > THRESHOLDS.loop_seconds


@pytest.mark.oldest
def test_a_worker_from_its_start_to_its_end(health: HealthProject) -> None:
    client = health.client(task_ignore_result=True)
    assert health.probe("--live").returncode == 2
    with health.worker(pool="prefork", concurrency=2) as worker:
        health.becomes(READY)
        for _ in range(12):
            client.send_task("proj.work", (6.0,))
        state = health.state_when(busy)
        assert health.is_now(state) == READY
        assert (state.pool.kind, state.pool.wanted) == ("prefork", 2)
        assert sorted(state.pool.pids) == worker.children()
        assert state.leases_held > 2
        assert "proj.work" not in json.dumps(state.as_json()), "it says nothing of tasks"
        worker.send_signal(signal.SIGTERM)
        verdict = health.becomes(LIVE)
        assert verdict.reasons == ("it is shutting down",)
        probe = health.probe()
        assert probe.returncode == 1
        assert probe.stdout.endswith("live, not ready: it is shutting down\n")
        assert health.probe("--live").returncode == 0
        assert worker.wait() == 0
    assert list(health.directory.iterdir()) == []
    assert health.probe("--live").returncode == 2


@pytest.mark.parametrize("pool", ["threads", "gevent", EVENTLET, "solo"])
def test_a_busy_worker_of_another_pool(health: HealthProject, pool: str) -> None:
    concurrency = 1 if pool == "solo" else 2
    client = health.client(task_ignore_result=True)
    with health.worker(pool=pool, concurrency=concurrency) as worker:
        health.becomes(READY)
        for _ in range(4 * concurrency + 2):
            client.send_task("proj.work", (5.0,))
        state = health.state_when(busy)
        assert health.is_now(state) == READY
        assert state.pool.kind == pool
        if pool == "solo":
            assert state.loop_age_seconds is not None
            assert state.loop_age_seconds > THRESHOLDS.loop_seconds
        worker.kill()


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_a_cold_shutdown_leaves_nothing_either(health: HealthProject, pool: str) -> None:
    client = health.client(task_ignore_result=True)
    with health.worker(pool=pool) as worker:
        task = client.send_task("proj.work", (3.0,))
        health.state_when(lambda state: state.task is not None)
        worker.stop(signal.SIGQUIT)
        assert task.id in worker.log
    assert list(health.directory.iterdir()) == []


def test_a_paused_consumer(health: HealthProject) -> None:
    client = health.client()
    with health.worker(pool="prefork"):
        health.becomes(READY)
        client.control.cancel_consumer("celery")
        assert health.becomes(LIVE).reasons == ("it consumes no queue",)
        client.control.add_consumer("celery")
        health.becomes(READY)


def test_it_can_be_switched_off(health: HealthProject) -> None:
    health.configure(broker_transport_options={"health": False})
    with health.worker(pool="solo"):
        assert not health.directory.exists()
