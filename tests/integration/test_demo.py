import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.worker

ROOT = Path(__file__).parents[2]


def run_demo(folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "examples.webteam"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def test_shows_every_task_and_the_requests_and_leaves_nothing(tmp_path: Path) -> None:
    ended = run_demo(tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    assert len(re.findall(r"^\+ ", ended.stdout, re.MULTILINE)) == 8
    assert "CardDeclinedError: order 4711" in ended.stdout
    assert re.search(r"^  sqs\.SendMessage +\d+ +\d+ +\d+ +\d+$", ended.stdout, re.MULTILINE)
    assert "\033" not in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 100
    assert list(tmp_path.iterdir()) == []


def test_says_what_went_wrong(tmp_path: Path) -> None:
    ended = run_demo(tmp_path, AWS_SQS_VISIBILITY_TIMEOUT="abc")
    assert ended.returncode == 1
    assert "AWS_SQS_VISIBILITY_TIMEOUT" in ended.stderr
    assert list(tmp_path.iterdir()) == []
