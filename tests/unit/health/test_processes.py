import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from celery_aws.health import processes
from celery_aws.health.processes import condition_of, is_same, started_at


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    program = "import ctypes, time; print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_process_runs_is_stopped_is_a_zombie_and_has_gone(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    pid = sleeper.pid
    began = started_at(pid)
    assert condition_of(pid) == "running"
    sleeper.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    assert condition_of(pid) == "stopped"
    assert is_same(pid, began)
    sleeper.kill()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert condition_of(pid) == "gone", "a zombie"
    assert not is_same(pid, began)
    sleeper.wait()
    assert condition_of(pid) == "gone"
    assert started_at(pid) is None
    assert not is_same(pid, began)


def test_a_number_that_is_another_processs_now(sleeper: "subprocess.Popen[bytes]") -> None:
    began = started_at(sleeper.pid)
    assert began is not None
    assert is_same(sleeper.pid, began)
    assert not is_same(sleeper.pid, began - 1)
    assert is_same(sleeper.pid, None)


def test_a_name_may_look_like_anything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fields = ["T", *map(str, range(4, 60))]
    (tmp_path / "stat").write_text(f"7 (a) R (b) {' '.join(fields)}")
    opened = open
    monkeypatch.setattr(
        processes, "open", lambda _path, **how: opened(tmp_path / "stat", **how), raising=False
    )
    assert condition_of(7) == "stopped"
    assert started_at(7) == 22, "as proc(5) numbers the fields"


def test_where_nobody_says_more_a_process_that_exists_runs(
    monkeypatch: pytest.MonkeyPatch, sleeper: "subprocess.Popen[bytes]"
) -> None:
    monkeypatch.setattr(processes, "_fields", lambda _pid: None)
    assert condition_of(sleeper.pid) == "running"
    assert is_same(sleeper.pid, 1)
    sleeper.kill()
    sleeper.wait()
    assert condition_of(sleeper.pid) == "gone"
