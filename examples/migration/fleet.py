"""The shop's processes: Redis, a local AWS, workers, and the web process that takes orders."""

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench.redis_server import redis_server

from celery_aws.local import LocalAws
from celery_aws.local.output import spawn
from celery_aws.testing import WorkerProcess

if TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path(__file__).parents[2]

APP = "examples.migration.app"
STAGES = "examples.migration.stages"

_PATIENCE_SECONDS = 120.0

PREFIX = "shop-"


class Shop:
    """A web process that takes orders until it is closed; its customers may wait for longer."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "examples.migration.flow"]
        self._process, self._output = spawn(
            "shop", command, {**os.environ, **variables}, directory=ROOT
        )
        if not self._output.wait_for("^open$", _PATIENCE_SECONDS):
            self.kill()
            raise RuntimeError(f"the shop did not open: {self._output.tail()}")

    def close(self) -> None:
        """Take no more orders."""
        if self._process.poll() is None:
            self._process.terminate()
        if not self._output.wait_for("^closed$", _PATIENCE_SECONDS):
            raise RuntimeError(f"the shop did not close: {self._output.tail()}")

    def wait(self) -> None:
        """Wait until each customer has an answer, or has lost patience."""
        self._process.wait(_PATIENCE_SECONDS)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        self._output.stop(_PATIENCE_SECONDS)


class Fleet:
    """A context manager; whatever it has started ends with it.

    Attributes:
        scratch: folder for what the processes write.
        redis_url: of the old broker and result backend.
        workers: by name, those that were ever started.
    """

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.redis_url = ""
        self.workers: dict[str, WorkerProcess] = {}
        self._variables: dict[str, str] = {}
        self._shops: list[Shop] = []
        self._stack = ExitStack()

    @property
    def ledger(self) -> Path:
        """Where the tasks write down that they run."""
        return self.scratch / "ledger"

    def variables(self, stage: str) -> dict[str, str]:
        """Return the environment of a process at a stage of the migration."""
        return {**self._variables, "SHOP_SETTINGS": f"{STAGES}.{stage}"}

    def start_worker(self, name: str, stage: str) -> None:
        """Start a worker, in place of one of the same name that has ended."""
        worker = WorkerProcess(
            APP,
            directory=ROOT,
            name=f"{name}@%h",
            environment=self.variables(stage),
            # What it was told to revoke outlives its restart.
            arguments=["--statedb", str(self.scratch / f"{name}.state")],
            stop_timeout_seconds=_PATIENCE_SECONDS,
        )
        self._stack.callback(worker.kill)
        self.workers[name] = worker
        worker.start()

    def restart_worker(self, name: str, stage: str) -> None:
        """Stop a worker warm and start it with the settings of another stage."""
        self.workers[name].stop()
        self.start_worker(name, stage)

    def open_shop(self, stage: str, *, pace_seconds: float = 0.2) -> None:
        """Let a web process take orders with the settings of a stage, in place of the last one."""
        self.close_shop()
        shop = Shop({**self.variables(stage), "SHOP_PACE_SECONDS": str(pace_seconds)})
        self._stack.callback(shop.kill)
        self._shops.append(shop)

    def close_shop(self) -> None:
        """Let nobody take orders any more."""
        for shop in self._shops[-1:]:
            shop.close()

    def wait_for_customers(self) -> None:
        """Wait until each customer has an answer, or has lost patience."""
        for shop in self._shops:
            shop.wait()

    def __enter__(self) -> "Self":
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("redis-server is not installed")
        with ExitStack() as stack:
            self.redis_url = stack.enter_context(redis_server(program))
            aws = stack.enter_context(LocalAws())
            self._variables = _variables(aws, self.redis_url, self.ledger)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _variables(aws: LocalAws, redis_url: str, ledger: Path) -> dict[str, str]:
    variables = aws.environment()
    # They would be stronger than any celeryconfig.py, that of the old side included.
    del variables["CELERY_BROKER_URL"], variables["CELERY_RESULT_BACKEND"]
    return {
        **variables,
        "AWS_SQS_QUEUE_NAME_PREFIX": PREFIX,
        "AWS_SQS_VISIBILITY_TIMEOUT": "120",
        "AWS_SQS_WAIT_TIME_SECONDS": "2",
        "AWS_DYNAMODB_TABLE_NAME": f"{PREFIX}results",
        # Celery takes pickles as root only if it is told to.
        "C_FORCE_ROOT": "1",
        "SHOP_LEDGER": str(ledger),
        "SHOP_REDIS": redis_url,
    }
