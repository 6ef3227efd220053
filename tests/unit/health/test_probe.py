import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from celery_aws.cli import aws, main
from celery_aws.health import probe
from celery_aws.health.processes import started_at
from celery_aws.health.state_files import DIRECTORY_VARIABLE, StateFile, directories
from tests.unit.health.states import queue, state

OWN = os.getpid()

#: What a process that only looks at a file has no business with.
HEAVY = ("boto3", "botocore", "celery", "click", "kombu", "pydantic", "celery_aws.broker")

#: As the script of the installed package does it; what is imported, and what it takes.
PROGRAM = f"""
import sys
from celery_aws.cli import main
sys.argv = ["celery-aws", "health", "--live"]
try:
    main()
finally:
    heavy = [name for name in {HEAVY} if name in sys.modules]
    print(heavy, file=sys.stderr)
"""

#: Of CPU, for Python's start, the imports and the look; the requirement is 100 ms in all.
MOST_SECONDS = 0.1


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path / "health"))
    return tmp_path / "health"


def leave(node: str = "one@host", **changes: object) -> None:
    """Leave a state of this process, as it is now."""
    found = replace(
        state(node=node, pid=OWN, process_started=started_at(OWN), written_at=time.monotonic()),
        **changes,  # type: ignore[arg-type]
    )
    StateFile(directories(os.environ)[0], node, found.pid).write(found)


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = probe.main(arguments)
    return code, capsys.readouterr().out


def test_without_a_worker(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    code, words = asked(capsys)
    assert code == 2
    assert str(directory) in words
    code, words = asked(capsys, "--json")
    assert (code, json.loads(words)) == (2, {"well": False, "workers": []})


def test_one_that_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    leave()
    assert asked(capsys) == (0, f"one@host (pid {OWN}): live, ready\n")
    assert asked(capsys, "--live") == (0, f"one@host (pid {OWN}): live\n")
    assert asked(capsys, "--ready") == (0, f"one@host (pid {OWN}): ready\n")


def test_one_that_is_not_ready_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    leave(queues=(queue(doing="ended"), queue("b", doing="ended")))
    line = f"one@host (pid {OWN}): live, not ready: queue celery: its receiver has failed; "
    assert asked(capsys) == (1, line + "queue b: its receiver has failed\n")
    assert asked(capsys, "--live")[0] == 0
    assert asked(capsys, "--ready")[0] == 1


def test_warnings_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    leave(pool=replace(state().pool, stopped=(5,)))
    code, words = asked(capsys)
    assert code == 0
    assert words.endswith("live, ready: warning: 1 of 2 pool processes stopped: 5\n")


def test_json_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    leave(queues=())
    code, words = asked(capsys, "--json")
    found = json.loads(words)
    assert code == 1
    assert not found["well"]
    (worker,) = found["workers"]
    assert (worker["node"], worker["live"], worker["ready"]) == ("one@host", True, False)
    assert worker["reasons"] == ["it consumes no queue"]
    assert worker["state"]["pool"]["kind"] == "prefork"


def test_of_several_workers_all_have_to_be_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parent = os.getppid()
    leave()
    leave("two@host", pid=parent, process_started=started_at(parent), phase="reconnecting")
    code, words = asked(capsys)
    assert code == 1
    assert [line.partition(" ")[0] for line in words.splitlines()] == ["one@host", "two@host"]
    assert asked(capsys, "--live")[0] == 0
    for one in (["--name", "one@host"], ["--name", "one"], ["--pid", str(OWN)]):
        assert asked(capsys, *one)[0] == 0
    assert asked(capsys, "--name", "two")[0] == 1
    assert asked(capsys, "--name", "three")[0] == 2


def test_a_threshold_that_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_AWS_HEALTH_LOOP_SECONDS", "soon")
    code, words = asked(capsys)
    assert code == 2
    assert "CELERY_AWS_HEALTH_LOOP_SECONDS='soon'" in words


def test_a_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--alive"], ["--live", "--ready"], ["--pid", "one"]):
        with pytest.raises(SystemExit) as ended:
            probe.main(wrong)
        assert ended.value.code == 2
    assert "usage: celery-aws health" in capsys.readouterr().err


def test_the_script_and_the_command_of_celery_do_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(queues=())
    monkeypatch.setattr(sys, "argv", ["celery-aws", "health", "--ready", "--name", "one"])
    with pytest.raises(SystemExit) as ended:
        main()
    of_script = capsys.readouterr().out
    of_celery = CliRunner().invoke(aws, ["health", "--ready", "--name", "one"])
    assert (ended.value.code, of_celery.exit_code) == (1, 1)
    assert of_celery.output == of_script
    help_ = CliRunner().invoke(aws, ["health", "--help"])
    assert help_.exit_code == 0
    assert "--ready" in help_.output


def test_other_commands_go_to_click(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["celery-aws", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "health" in capsys.readouterr().out
    assert isinstance(aws, click.Group)


def test_it_imports_nothing_heavy_and_is_quick() -> None:
    leave()
    spent = []
    for _ in range(3):
        before = os.times()
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
        )
        after = os.times()
        assert ended.stdout == f"one@host (pid {OWN}): live\n"
        assert ended.stderr == "[]\n"
        spent.append(
            after.children_user + after.children_system
            - before.children_user - before.children_system
        )  # fmt: skip
    assert min(spent) < MOST_SECONDS
