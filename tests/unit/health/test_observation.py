import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.broker.status import delivery_record
from celery_aws.broker.worker_view import RunningTask
from celery_aws.config.credentials import Credentials
from celery_aws.errors import AwsError
from celery_aws.health import observation
from celery_aws.health.observation import GreenletPulse, Observer
from celery_aws.health.processes import started_at
from celery_aws.health.worker_state import TaskState
from celery_aws.names import QueueName
from tests.unit.health.views import StillView

PATIENCE_SECONDS = 10.0


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    program = "import time; print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def task(name: str, limit_seconds: float | None = None) -> RunningTask:
    return RunningTask(key=name, limit_seconds=limit_seconds)


def test_it_says_whose_state_it_is_and_of_when() -> None:
    delivery_record().loop_turned(95.0)
    state = Observer(StillView()).observe(100.0)
    assert (state.node, state.pid) == ("one@host", os.getpid())
    assert state.process_started == started_at(os.getpid())
    assert (state.written_at, state.loop_age_seconds) == (100.0, 5.0)
    assert state.written.endswith("+00:00")
    assert (state.phase, state.pool.kind) == ("running", "prefork")


def test_the_oldest_task_is_the_one_that_was_seen_first() -> None:
    view = StillView(running=[task("old", 60)])
    observer = Observer(view)
    assert observer.observe(10.0).task == TaskState(age_seconds=0.0, limit_seconds=60)
    view.facts["running"] = [task("new"), task("old", 60)]
    assert observer.observe(15.0).task == TaskState(age_seconds=5.0, limit_seconds=60)
    view.facts["running"] = [task("new")]
    assert observer.observe(18.0).task == TaskState(age_seconds=3.0, limit_seconds=None)
    view.facts["running"] = []
    assert observer.observe(20.0).task is None
    view.facts["running"] = [task("old")]
    assert observer.observe(30.0).task == TaskState(age_seconds=0.0, limit_seconds=None)


def test_a_pool_is_full_when_as_many_run_as_may() -> None:
    view = StillView(slots=2, running=[task("a")])
    observer = Observer(view)
    assert not observer.observe(1.0).pool.full
    view.facts["running"].append(task("b"))
    assert observer.observe(1.0).pool.full
    view.facts["slots"] = 0
    assert not observer.observe(1.0).pool.full


def test_a_pool_is_down_while_none_of_its_processes_runs(
    child: "subprocess.Popen[bytes]",
) -> None:
    view = StillView(slots=1, pids=(child.pid,))
    observer = Observer(view)
    assert observer.observe(1.0).pool.down_seconds is None
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    observer.observe(2.0)
    pool = observer.observe(5.0).pool
    assert (pool.stopped, pool.gone, pool.down_seconds) == ((child.pid,), (), 3.0)
    child.send_signal(signal.SIGCONT)
    os.waitid(os.P_PID, child.pid, os.WCONTINUED | os.WNOWAIT)
    assert observer.observe(6.0).pool.down_seconds is None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    observer.observe(7.0)
    pool = observer.observe(9.0).pool
    assert (pool.stopped, pool.gone, pool.down_seconds) == ((), (child.pid,), 2.0)


def test_greenlets_are_felt_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation, "PULSE_SECONDS", 0.001)
    assert Observer(StillView()).observe(1.0).pool.greenlets_age_seconds is None
    observer = Observer(StillView(green=True))
    pulse = observer._greenlets
    assert pulse is not None
    first, deadline = pulse.beaten_at, time.monotonic() + PATIENCE_SECONDS
    while pulse.beaten_at == first and time.monotonic() < deadline:
        time.sleep(0.001)
    age = observer.observe(time.monotonic()).pool.greenlets_age_seconds
    assert age is not None
    assert age < PATIENCE_SECONDS
    assert pulse.stop(PATIENCE_SECONDS)


def test_a_pulse_that_has_stopped_beats_no_more() -> None:
    pulse = GreenletPulse()
    pulse.start()
    assert pulse.stop(PATIENCE_SECONDS)
    assert not pulse.alive


def test_a_thread_that_asks_aws_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        access = Access(
            region="eu-west-1",
            endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}",
            credentials=Credentials(access_key_id="a", secret_access_key="b"),
            client_config={"retries": {"total_max_attempts": 1}},
        )
        asking = threading.Thread(target=partial(ask, access), daemon=True)
        asking.start()
        connection, _ = silent.accept()
        with connection:
            # It has sent its request, and is in it until somebody answers.
            assert connection.recv(1)
            assert observation.waits_for_aws(asking.ident)
        asking.join(PATIENCE_SECONDS)
        assert not observation.waits_for_aws(asking.ident)
    assert not observation.waits_for_aws(threading.main_thread().ident)
    assert not observation.waits_for_aws(None)


def ask(access: Access) -> None:
    with contextlib.suppress(AwsError):
        SqsQueueService(access).queue_url(QueueName("celery"))
