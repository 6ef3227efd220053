"""Workers whose states the tests read, and whose requests they can let fail."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from celery_aws.health.judgement import Thresholds, Verdict, judge
from celery_aws.health.state_files import DIRECTORY_VARIABLE, read_states
from celery_aws.health.worker_state import WorkerState
from celery_aws.local import LocalAws
from celery_aws.testing import FaultProxy, WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project, close_control_planes

#: Seconds between two looks at a state, of which there is one a second.
LOOK_SECONDS = 0.1

SECONDS = {"STALE": 5, "LOOP": 3, "POOL": 2, "SLACK": 1}
ENVIRONMENT = {f"CELERY_AWS_HEALTH_{name}_SECONDS": str(n) for name, n in SECONDS.items()}
THRESHOLDS = Thresholds.from_environment(ENVIRONMENT)

#: Whether a worker is live, and ready.
DEAD = (False, False)
LIVE = (True, False)
READY = (True, True)


class HealthProject(Project):
    """A project whose workers write their states into a directory of the test's."""

    app = "hanging"

    def __init__(
        self, aws: AwsEnvironment, stack: ExitStack, directory: Path, proxy: FaultProxy
    ) -> None:
        super().__init__(aws, stack)
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


@pytest.fixture(scope="module")
def proxy(local_aws: LocalAws) -> Iterator[FaultProxy]:
    with FaultProxy(local_aws.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def health(
    aws_environment: AwsEnvironment,
    proxy: FaultProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[HealthProject]:
    """A project with nothing running; whatever it starts is ended with the test."""
    # They would win over the configuration that a test gives.
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        stack.callback(close_control_planes)
        stack.callback(proxy.switch_off)
        yield HealthProject(aws_environment, stack, tmp_path / "health", proxy)


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
