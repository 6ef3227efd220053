import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from celery_aws.errors import ProcessFailedError
from celery_aws.testing import WorkerProcess
from tests.waiting import watching

APP = "tests.integration.testing.worker_app:app"

pytestmark = [pytest.mark.worker, pytest.mark.oldest]


def test_starts_and_ends_by_a_warm_shutdown() -> None:
    with WorkerProcess(APP, concurrency=1) as worker:
        worker.start()
        assert worker.running
        assert worker.stop() == 0
        assert not worker.running
    assert "Warm shutdown" in worker.log
    assert worker.stop() == 0


def test_hands_on_name_queues_environment_and_arguments(tmp_path: Path) -> None:
    note = tmp_path / "note"
    with WorkerProcess(
        APP,
        pool="solo",
        name="one@here",
        queues=["orders", "mails"],
        environment={"NOTE": str(note)},
        arguments=["--pidfile", str(tmp_path / "pid")],
        python=sys.executable,
    ) as worker:
        assert note.read_text() == "one@here"
        assert (tmp_path / "pid").read_text().strip() == str(worker.pid)
        assert "orders" in worker.log
        assert "mails" in worker.log
        worker.kill()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux to watch a pid")
def test_kill_ends_the_worker_and_its_pool() -> None:
    with WorkerProcess(APP, concurrency=2) as worker, ExitStack() as watched:
        pids = [worker.pid, *worker.children()]
        assert len(pids) == 3
        watches = [watched.enter_context(watching(pid)) for pid in pids]
        worker.kill()
        assert all(watch.ended_within(10.0) for watch in watches)
        assert worker.wait() == -signal.SIGKILL


def test_an_error_in_the_test_kills_the_worker() -> None:
    worker = WorkerProcess(APP, pool="solo")
    with pytest.raises(KeyError), worker:
        raise KeyError
    assert not worker.running
    assert worker.wait() == -signal.SIGKILL


def test_a_failed_start_shows_the_log() -> None:
    with pytest.raises(ProcessFailedError, match="the worker ended") as caught:
        WorkerProcess("tests.no_such_module:app").start()
    assert "no_such_module" in caught.value.output


def test_a_start_past_its_deadline_is_an_error() -> None:
    worker = WorkerProcess(APP, pool="solo", start_timeout_seconds=0.001)
    with pytest.raises(ProcessFailedError, match=r"not ready within 0\.001 s"):
        worker.start()
    assert not worker.running


def test_waits_for_a_line_of_the_log() -> None:
    with WorkerProcess(APP, pool="solo") as worker:
        worker.wait_for_log("worker_app|celery@")
        with pytest.raises(ProcessFailedError, match=r"did not log 'never' within 0\.01 s"):
            worker.wait_for_log("never", 0.01)
        worker.kill()
        with pytest.raises(ProcessFailedError, match="did not log 'never' before it ended"):
            worker.wait_for_log("never")


def test_what_was_not_started_has_no_pid() -> None:
    worker = WorkerProcess(APP)
    assert worker.log == ""
    assert not worker.running
    with pytest.raises(ProcessFailedError, match="call start"):
        _ = worker.pid
