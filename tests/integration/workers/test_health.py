"""The truth table of docs/how-to/health.md with real workers: whether each is live, and ready.

The thresholds are scaled: seconds where the defaults are minutes.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from celery_aws.health.judgement import Thresholds, Verdict, judge
from celery_aws.health.state_files import DIRECTORY_VARIABLE, read_states
from celery_aws.health.worker_state import WorkerState
from celery_aws.local import LocalAws
from celery_aws.testing import FaultProxy, WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment
from celery_aws.testing.proxy_faults import EXPIRED_CREDENTIALS, Cut, Fault
from tests.integration.workers.conftest import EVENTLET_ENDS_CLEAN, PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

#: Of the polls, the threads' own and of what is looked at between two looks.
LOOK_SECONDS = 0.1

SECONDS = {"STALE": 5, "LOOP": 3, "POOL": 2, "SLACK": 1}
ENVIRONMENT = {f"CELERY_AWS_HEALTH_{name}_SECONDS": str(n) for name, n in SECONDS.items()}
THRESHOLDS = Thresholds.from_environment(ENVIRONMENT)

EVENTLET = pytest.param(
    "eventlet",
    marks=pytest.mark.skipif(not EVENTLET_ENDS_CLEAN, reason="this Celery ends it with an error"),
)

DEAD = (False, False)
LIVE = (True, False)
READY = (True, True)


class HealthProject(Project):
    """A project whose workers write their states into a directory of the test's."""

    app = "hanging"

    def __init__(self, project: Project, directory: Path, proxy: FaultProxy) -> None:
        super().__init__(project.aws, project._stack)
        self.directory = directory
        self._proxy = proxy

    def environment(
        self, config: Mapping[str, Any] | None = None, name: str = "one"
    ) -> dict[str, str]:
        told = {**ENVIRONMENT, DIRECTORY_VARIABLE: str(self.directory)}
        return {**super().environment(config, name), **told}

    def behind_the_proxy(self, pool: str) -> WorkerProcess:
        """Return a worker that is not started, whose requests can be made to fail."""
        aws: AwsEnvironment = self.aws.through(self._proxy)
        config = {"broker_url": aws.broker_url, "result_backend": aws.result_backend}
        return self.worker(pool=pool, config=config, environment=aws.variables)

    def state(self) -> WorkerState | None:
        states = read_states({DIRECTORY_VARIABLE: str(self.directory)})
        assert len(states) <= 1
        return states[0] if states else None

    def state_when(self, condition: Callable[[WorkerState], bool]) -> WorkerState:
        """Wait until a state is as it should be, and return it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        state = None
        while time.monotonic() < deadline:
            state = self.state()
            if state is not None and condition(state):
                return state
            time.sleep(LOOK_SECONDS)
        pytest.fail(f"it did not come to it: {state}")

    def becomes(self, expected: tuple[bool, bool]) -> Verdict:
        """Wait until the worker is live and ready, or not, as expected; return the verdict."""
        found: list[Verdict] = []

        def as_expected(state: WorkerState) -> bool:
            found.append(judge(state, time.monotonic(), THRESHOLDS))
            return (found[-1].live, found[-1].ready) == expected

        self.state_when(as_expected)
        return found[-1]

    def is_now(self, state: WorkerState) -> tuple[bool, bool]:
        verdict = judge(state, time.monotonic(), THRESHOLDS)
        return verdict.live, verdict.ready

    def probe(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Ask as a container's probe does."""
        program = "import sys; from celery_aws.cli import main; sys.argv[0] = 'celery-aws'; main()"
        return subprocess.run(
            [sys.executable, "-c", program, "health", *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def proxy(local_aws: LocalAws) -> Iterator[FaultProxy]:
    with FaultProxy(local_aws.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def health(project: Project, tmp_path: Path, proxy: FaultProxy) -> Iterator[HealthProject]:
    yield HealthProject(project, tmp_path / "health", proxy)
    proxy.switch_off()


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


def test_a_solo_task_beyond_its_limit(health: HealthProject) -> None:
    client = health.client(task_ignore_result=True)
    with health.worker(pool="solo") as worker:
        client.send_task("proj.work", (60.0,), time_limit=2)
        verdict = health.becomes(DEAD)
        assert "its limit is 2 s" in verdict.reasons[0]
        worker.kill()


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
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


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_a_cold_shutdown_leaves_nothing_either(health: HealthProject, pool: str) -> None:
    client = health.client(task_ignore_result=True)
    with health.worker(pool=pool) as worker:
        task = client.send_task("proj.work", (3.0,))
        health.state_when(lambda state: state.task is not None)
        worker.stop(signal.SIGQUIT)
        assert task.id in worker.log
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


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", EVENTLET, "solo"])
def test_a_hung_event_loop(health: HealthProject, pool: str) -> None:
    with health.worker(pool=pool) as worker:
        health.becomes(READY)
        worker.send_signal(signal.SIGUSR2)
        assert "event loop has not turned" in health.becomes(DEAD).reasons[0]
        worker.kill()


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [(Cut(), "UnreachableError"), (EXPIRED_CREDENTIALS, "ExpiredCredentialsError")],
)
def test_aws_is_away_for_longer_than_anything_may_take(
    health: HealthProject, proxy: FaultProxy, pool: str, fault: Fault, error: str
) -> None:
    with health.behind_the_proxy(pool):
        health.becomes(READY)
        with proxy.switched_on(fault):
            verdict = health.becomes(LIVE)
            assert verdict.reasons[0].startswith("queue celery: receiving has failed for ")
            assert verdict.reasons[0].endswith(f"({error})")
            longest = max(SECONDS.values()) + 1
            state = health.state_when(
                lambda state: (state.queues[0].failing_seconds or 0) > longest
            )
            assert health.is_now(state) == LIVE
        health.becomes(READY)


def test_aws_is_away_at_the_start(health: HealthProject, proxy: FaultProxy) -> None:
    worker = health.behind_the_proxy("prefork")
    with proxy.switched_on(Cut()):
        worker.launch()
        assert "it is starting" in health.becomes(LIVE).reasons[0]
    worker.wait_until_ready()
    health.becomes(READY)
    assert worker.stop() == 0


def test_a_connection_that_breaks_is_made_again(health: HealthProject, tmp_path: Path) -> None:
    health.app = "breaking"
    order = tmp_path / "break"
    more = {"PROJ_BREAK": str(order), "PROJ_RECORD": str(tmp_path / "recording")}
    with health.worker(pool="prefork", environment=more) as worker:
        health.becomes(READY)
        order.touch()
        worker.wait_for_log("Connection to broker lost")
        phases = set()

        def again(state: WorkerState) -> bool:
            phases.add(state.phase)
            assert health.is_now(state)[0], state
            return state.phase == "running" and health.is_now(state) == READY

        health.state_when(again)
        assert phases <= {"running", "reconnecting"}


def test_a_paused_consumer(health: HealthProject) -> None:
    client = health.client()
    with health.worker(pool="prefork"):
        health.becomes(READY)
        client.control.cancel_consumer("celery")
        assert health.becomes(LIVE).reasons == ("it consumes no queue",)
        client.control.add_consumer("celery")
        health.becomes(READY)


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


def test_it_can_be_switched_off(health: HealthProject) -> None:
    health.configure(broker_transport_options={"health": False})
    with health.worker(pool="solo"):
        assert not health.directory.exists()
