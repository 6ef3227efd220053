import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

SCRIPT = [sys.executable, "-c", "from celery_aws.cli import main; main()"]


@contextmanager
def started(*arguments: str, command: list[str] | None = None) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [*(command or SCRIPT), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def health(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status
    finally:
        connection.close()


def exported(process: "subprocess.Popen[str]") -> dict[str, str]:
    assert process.stdout is not None
    variables: dict[str, str] = {}
    while "CELERY_RESULT_BACKEND" not in variables:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        export, assignment = shlex.split(line)
        assert export == "export"
        name, _, variables[name] = assignment.partition("=")
    return variables


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_prints_the_environment_and_runs_until_a_signal(number: signal.Signals) -> None:
    with started("local", "--port", "0") as process:
        variables = exported(process)
        port = int(variables["AWS_ENDPOINT_URL"].rpartition(":")[2])
        assert health(port) == 200
        process.send_signal(number)
        words = process.communicate(timeout=20.0)[1]
    assert process.returncode == 0
    assert words.splitlines() == [
        f"Local AWS on http://127.0.0.1:{port}, data in memory. Not for production.",
        "Stop with Ctrl-C.",
        "Stopped.",
    ]
    with pytest.raises(ConnectionRefusedError):
        health(port)


def test_is_a_command_of_celery() -> None:
    celery = [sys.executable, "-m", "celery"]
    with started("aws", "local", "--port", "0", "--json", command=celery) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while "}\n" not in lines:
            lines.append(process.stdout.readline())
            assert lines[-1], process.communicate()[1]
        variables = json.loads("".join(lines))
        assert health(int(variables["CELERY_BROKER_URL"].rpartition(":")[2])) == 200
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20.0)
    assert process.returncode == 0


def test_a_port_in_use_is_a_usage_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with started("local", "--port", port) as process:
            words = process.communicate(timeout=20.0)[1]
    assert process.returncode == 2
    assert f"127.0.0.1:{port} cannot be listened on (Address already in use" in words


def run_with(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*SCRIPT, "local", "--port", "0", "--", *command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"AWS_SESSION_TOKEN": "of-a-real-account"},
    )


def test_runs_a_command_with_the_environment_and_ends_with_its_code() -> None:
    program = (
        "import os, sys; print(os.environ['CELERY_BROKER_URL'], "
        "os.environ.get('AWS_SESSION_TOKEN')); sys.exit(7)"
    )
    ended = run_with(sys.executable, "-c", program)
    assert ended.returncode == 7
    url, token = ended.stdout.split()
    assert url.startswith("aws+sqs://127.0.0.1:")
    assert token == "None"


def test_a_command_ended_by_a_signal_gives_the_shells_code() -> None:
    ended = run_with(sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert ended.returncode == 137


def test_a_command_that_does_not_exist() -> None:
    ended = run_with("no-such-command")
    assert ended.returncode == 127
    assert "no-such-command: No such file or directory" in ended.stderr


def test_a_sigterm_is_handed_on_to_the_command() -> None:
    program = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print('up', flush=True)\n"
        "signal.pause()\n"
    )
    with started("local", "--port", "0", "--", sys.executable, "-c", program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        process.communicate(timeout=20.0)
    assert process.returncode == 5


def test_a_data_folder_is_kept(tmp_path: Path) -> None:
    with started("local", "--port", "0", "--data-dir", str(tmp_path / "data")) as process:
        exported(process)
        process.send_signal(signal.SIGINT)
        words = process.communicate(timeout=20.0)[1]
    assert f"data in {tmp_path / 'data'}" in words
    assert (tmp_path / "data" / "lock").exists()
