"""Four workers on the local AWS and a client, with their requests counted apart.

Each side has a proxy of its own in front of the same local AWS. A poll that brings nothing is not
counted: workers poll whether anybody commands them or not.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery

from bench.control.celery_shell import CeleryShell
from celery_aws import create_table
from celery_aws.local.output import ProcessOutput, spawn
from celery_aws.testing import FaultProxy, WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment

if TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path(__file__).parent.parent.parent
APP = "bench.control.fleet_app"

#: Two of them can be told from the others by a pattern. Those of the south scale themselves.
NORTH = ("north-1@fleet", "north-2@fleet")
SOUTH = ("south-1@fleet", "south-2@fleet")
NODES = (*NORTH, *SOUTH)

#: Seconds within which everything is expected here; far more than it takes.
PATIENCE_SECONDS = 30.0

#: Of the log of each worker, after an error.
SHOWN_CHARACTERS = 20_000

_CLIENT_SECONDS = 60.0


@dataclass
class Usage:
    """What was asked of AWS, by operation.

    Attributes:
        client: by whoever commands.
        fleet: by all workers; a poll counts if it brought something.
    """

    client: Counter[str] = field(default_factory=Counter)
    fleet: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Requests of both."""
        return self.client.total() + self.fleet.total()


class Fleet:
    """Four workers and a client; a context manager.

    Args:
        aws: a corner of the local AWS.
        one_shell: run what is run by :meth:`command` in one process.

    Attributes:
        workers: by node name.
        client: the client's app, which knows tasks by name only.
    """

    def __init__(self, aws: AwsEnvironment, *, one_shell: bool = False) -> None:
        self._aws = aws
        self._proxies = {who: FaultProxy(aws.endpoint_url) for who in ("client", "fleet")}
        self._config = {
            "broker_connection_retry_on_startup": True,
            "worker_pool_restarts": True,
            "worker_prefetch_multiplier": 4,
        }
        self._one_shell = one_shell
        self._shell: CeleryShell | None = None
        self._stack = ExitStack()
        self.workers: dict[str, WorkerProcess] = {}
        self.client: Any = None

    @property
    def proxies(self) -> Sequence[FaultProxy]:
        """The client's, and that of all workers."""
        return tuple(self._proxies.values())

    def __enter__(self) -> "Self":
        with ExitStack() as stack:
            for proxy in self._proxies.values():
                stack.enter_context(proxy)
            stack.enter_context(client_process(self._variables("client")))
            self.client = Celery("client", set_as_current=False)
            self.client.conf.update(self._settings("client"))
            stack.callback(self.client.close)
            create_table(self.client)
            if self._one_shell:
                self._shell = CeleryShell(self.environment(), ROOT)
                stack.callback(self._shell.close)
            for node in NODES:
                self.workers[node] = worker = self._worker(node)
                stack.callback(worker.kill)
                worker.launch()
            for worker in self.workers.values():
                worker.wait_until_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, exc_type: object, *_: object) -> None:
        self._stack.close()
        if exc_type is not None:
            for node, worker in self.workers.items():
                print(f"The end of the log of {node}:\n{worker.log[-SHOWN_CHARACTERS:]}")

    @contextmanager
    def counted(self, *, commands: bool = True) -> Iterator[Usage]:
        """Count requests until the workers are done with what the client has sent them.

        Args:
            commands: every SendMessage of the client is one to an inbox.
        """
        usage, before = Usage(), self._counts()
        yield usage
        client, fleet = self._proxies["client"].requests, self._proxies["fleet"].requests
        sent = client.total("sqs.SendMessage") - before["client"]["sqs.SendMessage"]
        if commands:
            fleet.wait_for(
                "sqs.DeleteMessageBatch",
                count=before["fleet"]["sqs.DeleteMessageBatch"] + sent,
                timeout_seconds=PATIENCE_SECONDS,
            )
        after = self._counts()
        usage.client = after["client"] - before["client"]
        usage.fleet = after["fleet"] - before["fleet"]
        usage.fleet["sqs.ReceiveMessage"] = usage.fleet["sqs.DeleteMessageBatch"]
        usage.fleet += Counter()  # without zeros

    def command(self, *arguments: str, typed: str = "") -> tuple[int, str]:
        """Run ``celery -A ... <arguments>`` to its end; return its exit code and what it has said.

        Args:
            arguments: what is behind the app.
            typed: for its standard input.
        """
        if self._shell is not None:
            return self._shell.run(["-A", APP, *arguments], typed)
        done = subprocess.run(
            command_line(arguments),
            cwd=ROOT,
            env=self.environment(),
            input=typed,
            capture_output=True,
            text=True,
            timeout=_CLIENT_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout

    @contextmanager
    def running(self, *arguments: str) -> Iterator[ProcessOutput]:
        """Run ``celery -A ... <arguments>`` beside the block, and end it by a Ctrl-C."""
        process, output = spawn(
            arguments[0], command_line(arguments), self.environment(), directory=ROOT
        )
        try:
            yield output
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_SECONDS)
            output.stop(PATIENCE_SECONDS)

    def environment(self, who: str = "client") -> dict[str, str]:
        """Return the environment of one side's processes."""
        settings = {
            "FLEET_CONFIG": json.dumps(self._settings(who)),
            # Whoever waits for a line wants it when it is written.
            "PYTHONUNBUFFERED": "1",
        }
        return {**os.environ, **self._variables(who), **settings}

    def _variables(self, who: str) -> Mapping[str, str]:
        return self._aws.through(self._proxies[who]).variables

    def _settings(self, who: str) -> Mapping[str, Any]:
        return {**self._aws.through(self._proxies[who]).celery_config(), **self._config}

    def _counts(self) -> dict[str, Counter[str]]:
        return {who: Counter(proxy.requests.counts()) for who, proxy in self._proxies.items()}

    def _worker(self, node: str) -> WorkerProcess:
        scaling = ["--autoscale", "1,1"] if node in SOUTH else []
        return WorkerProcess(
            APP,
            directory=ROOT,
            name=node,
            concurrency=1,
            queues=["celery", own_queue(node)],
            environment=self.environment("fleet"),
            arguments=scaling,
        )


def command_line(arguments: Sequence[str]) -> list[str]:
    """Return the command line of ``celery -A ... <arguments>``."""
    return [sys.executable, "-m", "celery", "-A", APP, *arguments]


def own_queue(node: str) -> str:
    """Return the name of the queue that only this node consumes."""
    return node.partition("@")[0]


@contextmanager
def client_process(variables: Mapping[str, str]) -> Iterator[None]:
    """Let this process be the client: what the environment names beats an app's configuration."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name)
            if name in before:
                os.environ[name] = before[name]
