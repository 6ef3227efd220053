"""The files of examples/health: they are what they say, and the commands in them are run."""

import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from examples.health import celeryconfig

from celery_aws.testing import WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "examples" / "health"

#: What the examples leave between the end of the soft shutdown and SIGKILL; see stop-workers.md.
SPARE_SECONDS = 10

PATIENCE_SECONDS = 40

GRACE_SECONDS = celeryconfig.worker_soft_shutdown_timeout + SPARE_SECONDS


def deployments() -> Sequence[Mapping[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))


def pods() -> Sequence[Mapping[str, Any]]:
    return [each["spec"]["template"]["spec"] for each in deployments()]


def ecs_container() -> Mapping[str, Any]:
    (container,) = json.loads((FOLDER / "ecs-task-definition.json").read_text())[
        "containerDefinitions"
    ]
    return dict(container)


def docker_lines() -> list[str]:
    text = (FOLDER / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def environment_of(container: Mapping[str, Any]) -> dict[str, str]:
    names = [each["name"] for each in container.get("env", container.get("environment", ()))]
    values = [each["value"] for each in container.get("env", container.get("environment", ()))]
    assert all(isinstance(value, str) for value in values), "Kubernetes takes no numbers"
    return dict(zip(names, values, strict=True))


def probes(pod: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    (container,) = pod["containers"]
    names = ("startupProbe", "livenessProbe", "readinessProbe")
    return {name: container[name] for name in names}


def docker_command() -> list[str]:
    (line,) = [line for line in docker_lines() if line.startswith("HEALTHCHECK")]
    return ["sh", "-c", line.partition(" CMD ")[2]]


def exec_commands() -> list[list[str]]:
    of_pod = [probe["exec"]["command"] for probe in probes(pods()[0]).values()]
    kind, *of_ecs = ecs_container()["healthCheck"]["command"]
    assert kind == "CMD"
    return [*of_pod, of_ecs, docker_command()]


def http_pages() -> list[str]:
    return [probe["httpGet"]["path"] for probe in probes(pods()[1]).values()]


def test_everybody_leaves_the_time_that_a_shutdown_takes() -> None:
    assert [pod["terminationGracePeriodSeconds"] for pod in pods()] == [GRACE_SECONDS] * 2
    assert ecs_container()["stopTimeout"] == GRACE_SECONDS <= 120, "Fargate's most"
    told = [environment_of(pod["containers"][0]) for pod in pods()]
    for environment in (*told, environment_of(ecs_container())):
        assert environment["REMAP_SIGTERM"] == "SIGQUIT"
    assert "ENV REMAP_SIGTERM=SIGQUIT" in docker_lines()


def test_what_kills_asks_whether_it_lives_and_only_a_rollout_whether_it_is_ready() -> None:
    of_exec, of_http = (probes(pod) for pod in pods())
    for name, question in (
        ("startupProbe", "live"),
        ("livenessProbe", "live"),
        ("readinessProbe", "ready"),
    ):
        assert of_exec[name]["exec"]["command"][-1] == f"--{question}"
        assert of_http[name]["httpGet"]["path"] == f"/{question}"
    assert ecs_container()["healthCheck"]["command"][-1] == "--live"


def test_probes_find_the_port_that_is_opened() -> None:
    (container,) = pods()[1]["containers"]
    (port,) = container["ports"]
    environment = environment_of(container)
    assert environment["CELERY_AWS_HEALTH_PORT"] == str(port["containerPort"])
    assert environment["CELERY_AWS_HEALTH_ADDRESS"] == "0.0.0.0"
    assert {each["httpGet"]["port"] for each in probes(pods()[1]).values()} == {port["name"]}


def test_manifests_select_their_own_pods() -> None:
    for each in deployments():
        assert (each["apiVersion"], each["kind"]) == ("apps/v1", "Deployment")
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert each["spec"]["selector"]["matchLabels"] == labels


def test_a_task_definition_has_what_fargate_asks_for() -> None:
    definition = json.loads((FOLDER / "ecs-task-definition.json").read_text())
    assert definition["requiresCompatibilities"] == ["FARGATE"]
    assert definition["networkMode"] == "awsvpc"
    check = ecs_container()["healthCheck"]
    # The ranges of ECS (HealthCheck in its API reference).
    assert 5 <= check["interval"] <= 300
    assert 2 <= check["timeout"] <= 60
    assert 1 <= check["retries"] <= 10
    assert 0 <= check["startPeriod"] <= 300


def worker_arguments() -> list[str]:
    """Return what the container runs, as the Dockerfile and the manifests have it."""
    (entry,) = [line for line in docker_lines() if line.startswith("ENTRYPOINT")]
    (default,) = [line for line in docker_lines() if line.startswith("CMD")]
    arguments: list[str] = json.loads(default.partition(" ")[2])
    for others in (*(pod["containers"][0]["args"] for pod in pods()), ecs_container()["command"]):
        assert others == arguments
    assert json.loads(entry.partition(" ")[2])[:4] == [
        "celery",
        "-A",
        "examples.health.app",
        "worker",
    ]
    return arguments


@pytest.fixture
def environment(aws_environment: AwsEnvironment, tmp_path: Path, port: int) -> dict[str, str]:
    """The container's: this one's, with its own states."""
    # What is in the container; the console script is beside the interpreter.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ,
        **aws_environment.variables,
        "PATH": path,
        "CELERY_AWS_HEALTH_DIR": str(tmp_path / "health"),
        "CELERY_AWS_HEALTH_PORT": str(port),
    }


@pytest.fixture
def worker(environment: dict[str, str]) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(
        "examples.health.app",
        directory=ROOT,
        environment=environment,
        arguments=worker_arguments(),
        name="one@%h",
    )
    yield worker
    worker.kill()


def exit_codes(commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> list[int]:
    ended = [
        subprocess.run(
            command, env=environment, timeout=PATIENCE_SECONDS, check=False, capture_output=True
        )
        for command in commands
    ]
    return [each.returncode for each in ended]


def becomes(expected: Sequence[int], found: Callable[[], Sequence[int]]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (last := found()) != expected:
        assert time.monotonic() < deadline, last
        time.sleep(0.1)


@pytest.mark.worker
def test_their_commands_and_pages_answer(
    worker: WorkerProcess, environment: dict[str, str], port: int
) -> None:
    commands = exec_commands()
    assert [shlex.join(command[:2]) for command in commands[:-1]] == ["celery-aws health"] * 4
    # Docker's never ends with 2, which Docker has reserved.
    assert exit_codes(commands, environment) == [2, 2, 2, 2, 1]
    worker.start()
    becomes([0] * 5, lambda: exit_codes(commands, environment))
    for page in http_pages():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=10) as answer:
            assert answer.status == 200
