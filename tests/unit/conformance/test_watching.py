import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conformance import limits, progress, watching

PATIENCE_SECONDS = 30.0

#: A child of the child that would outlive it.
LEAVES_A_CHILD = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(child.pid, flush=True); time.sleep(600)"
)


def start(code: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )


def test_the_end_of_a_process_is_waited_for(tmp_path: Path) -> None:
    with start("raise SystemExit(3)") as process:
        assert watching.watch(process, tmp_path / "progress")

    assert process.returncode == 3


def test_a_process_in_which_nothing_happens_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GRACE_SECONDS", 0.0)
    path = tmp_path / "progress"
    progress.append(path, progress.started("hangs", 0.1))
    with start("import time; time.sleep(600)") as process:
        assert not watching.watch(process, path)
        watching.kill_group(process)

    assert process.returncode == -signal.SIGKILL


def test_what_a_killed_process_has_started_is_killed_too() -> None:
    with start(LEAVES_A_CHILD) as process:
        assert process.stdout is not None
        process.stdout.readline()
        watching.kill_group(process)

        # The pipe ends when the last process that holds it has ended.
        assert select.select([process.stdout], [], [], PATIENCE_SECONDS)[0]
        assert process.stdout.read() == b""


def test_a_process_that_has_ended_can_be_killed() -> None:
    with start("") as process:
        process.wait(PATIENCE_SECONDS)
        watching.kill_group(process)

    assert process.returncode == 0
