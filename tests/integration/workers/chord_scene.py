"""A project whose workers run the app ``chorded``, and what its bodies and errbacks wrote down."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.canvas import Signature

from celery_aws.local import LocalAws
from celery_aws.testing import FaultProxy, WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment, new_environment
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project, close_control_planes

#: Seconds between two looks at the file.
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Something that a task did, once each time that it ran."""

    #: ``body``, ``errback`` or ``part``.
    what: str
    task_id: str
    #: Of the chord, given by its sender.
    name: str
    value: Any


class ChordProject(Project):
    """A project of chords."""

    app = "chorded"

    def __init__(self, aws: AwsEnvironment, stack: ExitStack, effects: Path) -> None:
        super().__init__(aws, stack)
        self.sender: Celery = self.client()
        self._effects = effects
        self._effects.touch()

    def environment(
        self, config: Mapping[str, Any] | None = None, name: str = "one"
    ) -> dict[str, str]:
        """Return the environment of a worker."""
        return {**super().environment(config, name), "PROJ_EFFECTS": str(self._effects)}

    def worker_behind(self, proxy: FaultProxy, **options: Any) -> WorkerProcess:
        """Return a worker whose every request goes through the proxy."""
        aws = self.aws.through(proxy)
        environment = {**aws.variables, **options.pop("environment", {})}
        config = {"broker_url": aws.broker_url, "result_backend": aws.result_backend}
        return self.worker(config=config, environment=environment, **options)

    def task(self, name: str, *args: Any, **options: Any) -> Signature:
        """Return the signature of a task of the app ``chorded``."""
        return self.sender.signature(f"chorded.{name}", args=args, **options)

    def effects(self, name: str, what: str = "body") -> list[Effect]:
        """Return what the tasks of a chord did, in the order in which they did it."""
        lines = self._effects.read_text().splitlines()
        found = (Effect(**json.loads(line)) for line in lines)
        return [each for each in found if each.name == name and each.what == what]

    def wait_for_effects(
        self, name: str, what: str = "body", count: int = 1, seconds: float = PATIENCE_SECONDS
    ) -> list[Effect]:
        """Wait until there are so many, and return those that there are."""
        deadline = time.monotonic() + seconds
        while len(found := self.effects(name, what)) < count and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return found


@contextmanager
def chord_scene(local_aws: LocalAws, folder: Path) -> Iterator[ChordProject]:
    """A project for several tests; set what ``aws_environment`` and ``project`` set for one."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        aws = new_environment(local_aws)
        for name, value in aws.variables.items():
            patch.setenv(name, value)
        for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
            patch.delenv(name)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        stack.callback(close_control_planes)
        yield ChordProject(aws, stack, folder / "effects")
