"""One project per test: a client app here, and real workers on the same corner of the local AWS."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from celery import Celery

from celery_aws.testing import WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment

HERE = Path(__file__).parent

#: Seconds within which everything in these tests is expected; far more than it takes.
PATIENCE_SECONDS = 40


class Project:
    """A client app and the means to start workers for it."""

    def __init__(self, aws: AwsEnvironment, stack: ExitStack) -> None:
        self.aws = aws
        self.config: dict[str, Any] = {
            **aws.celery_config(),
            "broker_connection_retry_on_startup": True,
        }
        self._stack = stack

    def configure(self, **changes: Any) -> None:
        """Change settings, for clients and workers made from now on."""
        options = {**self.config["broker_transport_options"]}
        options.update(changes.pop("broker_transport_options", {}))
        self.config.update(changes, broker_transport_options=options)

    def client(self, **changes: Any) -> Celery:
        """Return an app that knows the tasks by name only."""
        app = Celery("client", set_as_current=False)
        app.conf.update({**self.config, **changes})
        self._stack.callback(app.close)
        return app

    def worker(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        name: str = "one",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> WorkerProcess:
        """Return a worker that is not started."""
        worker = WorkerProcess(
            "proj",
            directory=HERE,
            name=f"{name}@%h",
            environment={**self.environment(config, name), **(environment or {})},
            arguments=["--without-gossip", "--without-mingle", *arguments],
            **options,
        )
        self._stack.callback(worker.kill)
        return worker

    def environment(
        self, config: Mapping[str, Any] | None = None, name: str = "one"
    ) -> dict[str, str]:
        """Return the environment of a process that runs the project's app."""
        settings = {**self.config, **(config or {})}
        return {**os.environ, "PROJ_CONFIG": json.dumps(settings), "PROJ_NAME": name}

    def queue_url(self, queue: str = "celery") -> str:
        """Return the URL of one of the project's queues."""
        name = self.aws.queue_name_prefix + queue
        return str(boto3.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    def messages(self, queue: str = "celery") -> tuple[int, int]:
        """Return how many messages are visible and in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = boto3.client("sqs").get_queue_attributes(
            QueueUrl=self.queue_url(queue), AttributeNames=names
        )["Attributes"]
        return int(attributes[names[0]]), int(attributes[names[1]])


@pytest.fixture
def project(aws_environment: AwsEnvironment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project with nothing running; whatever it starts is ended with the test."""
    # They would win over the configuration that a test gives.
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        yield Project(aws_environment, stack)
