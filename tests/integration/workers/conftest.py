"""One project per test: a client app here, and real workers on the same corner of the local AWS."""

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest
from celery import Celery
from celery.apps import worker as celery_worker

from celery_aws.broker import control_planes
from celery_aws.iam import Role
from celery_aws.local import LocalAws
from celery_aws.testing import WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.policed import DENIED, User, Users, is_root, policed
from tests.integration.workers.recording import Recording

HERE = Path(__file__).parent

#: Seconds within which everything in these tests is expected; far more than it takes.
PATIENCE_SECONDS = 40

#: Of the log of each worker, in the report of a test that failed.
SHOWN_CHARACTERS = 20_000

#: In Celery 5.5, and no more in 5.7, every stop of an eventlet worker is an error: its signal
#: handler writes with eventlet's ``os.write``, which may not (celery/apps/worker.py, ``safe_say``).
EVENTLET_ENDS_CLEAN = hasattr(celery_worker, "_original_os_write")


class Project:
    """A client app and the means to start workers for it."""

    #: What the workers run.
    app = "proj"

    def __init__(self, aws: AwsEnvironment, stack: ExitStack) -> None:
        self.aws = aws
        self.config: dict[str, Any] = {
            **aws.celery_config(),
            "broker_connection_retry_on_startup": True,
        }
        self.users = Users(f"{aws.queue_name_prefix}{uuid.uuid4().hex[:4]}-") if policed() else None
        self._stack = stack
        self._workers: list[WorkerProcess] = []
        stack.callback(self._kill_workers)

    def configure(self, **changes: Any) -> None:
        """Change settings, for clients and workers made from now on."""
        options = {**self.config["broker_transport_options"]}
        options.update(changes.pop("broker_transport_options", {}))
        self.config.update(changes, broker_transport_options=options)

    def client(self, **changes: Any) -> Celery:
        """Return the app of a producer, which knows tasks by name; another's control is in it."""
        config = {**self.config, **changes}
        app = self._app(config, Role.PRODUCER)
        if self.users is not None:
            monitor = self._app(config, Role.MONITOR)
            app.control, app.events = monitor.control, monitor.events
        return app

    def monitor(self, **changes: Any) -> Celery:
        """Return an app that watches and commands."""
        return self._app({**self.config, **changes}, Role.MONITOR)

    def root(self, **changes: Any) -> Celery:
        """Return an app for what no role of an app's processes does."""
        return self._app({**self.config, **changes}, None)

    def _app(self, config: Mapping[str, Any], role: Role | None) -> Celery:
        app = Celery("client", set_as_current=False)
        user = None if role is None else self._user(config, role)
        app.conf.update(config if user is None else user.config(dict(config)))
        self._stack.callback(app.close)
        return app

    def _user(self, config: Mapping[str, Any], role: Role) -> User | None:
        """Return who has the generated policy of a role; None if nobody asks for policies."""
        if self.users is None:
            return None
        return self.users.of_role(role, config, self.aws.queue_name_prefix)

    def worker(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        name: str = "one",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        mingles: bool = False,
        **options: Any,
    ) -> WorkerProcess:
        """Return a worker that is not started."""
        alone = () if mingles else ("--without-gossip", "--without-mingle")
        worker = WorkerProcess(
            self.app,
            directory=HERE,
            name=f"{name}@%h",
            environment=self._variables_of_worker(config, name, environment or {}),
            arguments=[*alone, *arguments],
            **options,
        )
        self._workers.append(worker)
        return worker

    def _variables_of_worker(
        self, config: Mapping[str, Any] | None, name: str, given: Mapping[str, str]
    ) -> dict[str, str]:
        variables = {**self.environment(config, name), **given}
        user = self._user({**self.config, **(config or {})}, Role.WORKER)
        if user is not None and is_root(variables):
            variables |= user.variables
        return variables

    def dismiss(self, worker: WorkerProcess) -> None:
        """Drop a worker that has ended, where a test has hundreds.

        The number of its process group may be another's long before the test is over.
        """
        self._workers.remove(worker)

    def environment(
        self, config: Mapping[str, Any] | None = None, name: str = "one"
    ) -> dict[str, str]:
        """Return the environment of a process that runs the project's app."""
        settings = {**self.config, **(config or {})}
        return {**os.environ, "PROJ_CONFIG": json.dumps(settings), "PROJ_NAME": name}

    def queue_url(self, queue: str = "celery") -> str:
        """Return the URL of one of the project's queues."""
        name = self.aws.queue_name_prefix + queue
        return str(self._sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def messages(self, queue: str = "celery") -> tuple[int, int]:
        """Return how many messages are visible and in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self.queue_url(queue), AttributeNames=names
        )["Attributes"]
        return int(attributes[names[0]]), int(attributes[names[1]])

    def wait_for_messages(
        self, expected: tuple[int, int], queue: str = "celery", seconds: float = PATIENCE_SECONDS
    ) -> tuple[int, int]:
        """Wait until so many messages are visible and in flight; return the last numbers."""
        deadline = time.monotonic() + seconds
        while (found := self.messages(queue)) != expected and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def queues(self) -> list[str]:
        """Return the names of the project's queues, without its prefix."""
        prefix = self.aws.queue_name_prefix
        urls = self._sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls", ())
        return sorted(url.rpartition("/")[2].removeprefix(prefix) for url in urls)

    def inboxes(self) -> list[str]:
        """Return the names of the inboxes that there are."""
        return [name for name in self.queues() if name.startswith("celery-inbox-")]

    def shared(self, *kinds: str) -> list[str]:
        """Return the sort keys of items of the coordination table, of such partitions."""
        table = boto3.resource("dynamodb").Table(f"{self.aws.queue_name_prefix}celery-coordination")
        return [item["sk"] for item in table.scan()["Items"] if item["pk"].startswith(kinds)]

    def _kill_workers(self) -> None:
        for number, worker in enumerate(self._workers, 1):
            worker.kill()
            # pytest shows it if the test has failed.
            print(f"The end of the log of worker {number}:\n{worker.log[-SHOWN_CHARACTERS:]}")
        if self.users is not None:
            logs = (worker.log for worker in self._workers)
            denials = [line for log in logs for line in log.splitlines() if DENIED in line]
            assert not denials, denials

    @cached_property
    def _sqs(self) -> Any:
        return boto3.client("sqs")


class RecordedProject(Project):
    """A project whose workers run the app ``recorded``, all writing into one recording."""

    app = "recorded"

    def __init__(self, aws: AwsEnvironment, stack: ExitStack, recording: Recording) -> None:
        super().__init__(aws, stack)
        self.recording = recording
        self.configure(task_ignore_result=True)

    def environment(
        self, config: Mapping[str, Any] | None = None, name: str = "one"
    ) -> dict[str, str]:
        """Return the environment of a worker; its name is in what it writes down."""
        return {**super().environment(config, name), "PROJ_RECORD": str(self.recording.path)}

    @cached_property
    def sender(self) -> Celery:
        """The client that :meth:`send` uses, made of the settings of its first use."""
        return self.client()

    def send(self, task_id: str, seconds: float = 0.0, *, task: str = "late", **how: Any) -> str:
        """Send a task that takes so long; ``how`` is for ``send_task``, such as its queue."""
        self.sender.send_task(f"recorded.{task}", (seconds,), task_id=task_id, **how)
        return task_id


if policed():

    @pytest.fixture(scope="session")
    def local_aws() -> Iterator[LocalAws]:
        """Run a local AWS that checks rights for the whole session."""
        with LocalAws(auth=True) as aws:
            yield aws


def start_together(*workers: WorkerProcess) -> None:
    """Start several workers, each while the others do."""
    for worker in workers:
        worker.launch()
    for worker in workers:
        worker.wait_until_ready()


@pytest.fixture
def project(
    request: pytest.FixtureRequest,
    aws_environment: AwsEnvironment,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Project]:
    """A project with nothing running; whatever it starts is ended with the test."""
    other = request.node.get_closest_marker("other_rights")
    if policed() and other is not None:
        pytest.skip(f"not with generated policies: {other.args[0]}")
    # They would win over the configuration that a test gives.
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        stack.callback(close_control_planes)
        yield Project(aws_environment, stack)


@pytest.fixture
def recorded(project: Project, tmp_path: Path) -> Iterator[RecordedProject]:
    """A project whose tasks write down their starts and ends."""
    with ExitStack() as stack:
        yield RecordedProject(project.aws, stack, Recording(tmp_path / "recording"))


def close_control_planes() -> None:
    """End what the clients of a test have for remote control, as the end of their process does."""
    for plane in control_planes._per_process._values.values():
        plane.close()
    control_planes._per_process.forget()
