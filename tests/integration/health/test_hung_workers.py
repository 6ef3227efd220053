"""Workers that are stopped, or hang: to be started anew.

The thresholds are scaled: seconds where the defaults are minutes.
"""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from celery_aws.health.judgement import judge
from tests.integration.health.conftest import DEAD, READY, THRESHOLDS, HealthProject
from tests.integration.workers.conftest import EVENTLET_ENDS_CLEAN

pytestmark = pytest.mark.worker


def in_soak(pool: str) -> Any:
    """Return a pool that shows little that the others do not."""
    return pytest.param(pool, marks=pytest.mark.soak)


EVENTLET = pytest.param(
    "eventlet",
    marks=[
        pytest.mark.soak,
        pytest.mark.skipif(not EVENTLET_ENDS_CLEAN, reason="this Celery ends it with an error"),
    ],
)


def test_a_solo_task_beyond_its_limit(health: HealthProject) -> None:
    client = health.client(task_ignore_result=True)
    with health.worker(pool="solo") as worker:
        client.send_task("proj.work", (60.0,), time_limit=2)
        verdict = health.becomes(DEAD)
        assert "its limit is 2 s" in verdict.reasons[0]
        worker.kill()


@pytest.mark.parametrize("pool", ["prefork", in_soak("gevent")])
def test_a_stopped_parent(health: HealthProject, pool: str) -> None:
    with health.worker(pool=pool) as worker:
        health.becomes(READY)
        worker.send_signal(signal.SIGSTOP)
        verdict = health.becomes(DEAD)
        assert "no sign of life" in verdict.reasons[0]
        assert health.probe("--live").returncode == 1
        worker.send_signal(signal.SIGCONT)
        health.becomes(READY)
    assert list(health.directory.iterdir()) == []


def test_stopped_children(health: HealthProject) -> None:
    with health.worker(pool="prefork", concurrency=2) as worker:
        health.becomes(READY)
        one, other = worker.children()
        os.kill(one, signal.SIGSTOP)
        state = health.state_when(lambda state: state.pool.stopped == (one,))
        verdict = judge(state, time.monotonic(), THRESHOLDS)
        assert (verdict.live, verdict.ready) == READY
        assert verdict.warnings == (f"1 of 2 pool processes stopped: {one}",)
        os.kill(other, signal.SIGSTOP)
        assert "no process of the pool" in health.becomes(DEAD).reasons[0]
        for child in (one, other):
            os.kill(child, signal.SIGCONT)
        health.becomes(READY)


@pytest.mark.parametrize("pool", ["prefork", in_soak("threads"), "gevent", EVENTLET, "solo"])
def test_a_hung_event_loop(health: HealthProject, pool: str) -> None:
    with health.worker(pool=pool) as worker:
        health.becomes(READY)
        worker.send_signal(signal.SIGUSR2)
        assert "event loop has not turned" in health.becomes(DEAD).reasons[0]
        worker.kill()


@pytest.mark.parametrize("pool", ["prefork", "gevent", EVENTLET])
def test_the_endpoint_answers_as_the_probe_does(
    health: HealthProject, port: int, pool: str
) -> None:
    def status(path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                facts = json.load(answer)
                assert facts["live"]
                return int(answer.status)
        except urllib.error.HTTPError as error:
            facts = json.load(error)
            error.close()
            assert facts["worker"]["pid"] == worker.pid
            return int(error.code)

    environment = {"CELERY_AWS_HEALTH_PORT": str(port)}
    with health.worker(pool=pool, environment=environment) as worker:
        health.becomes(READY)
        assert (status("/live"), status("/ready")) == (200, 200)
        worker.send_signal(signal.SIGUSR2)
        health.becomes(DEAD)
        # It hangs, and answers all the same.
        assert (status("/live"), status("/ready")) == (503, 503)
        worker.kill()
