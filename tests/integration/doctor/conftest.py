"""An app on the local AWS, and ``celery -A shop aws doctor``."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result
from kombu import pools

from celery_aws import create_table
from celery_aws.cli import aws
from celery_aws.testing.fixtures import AwsEnvironment
from tests.lonely_apps import lonely


@dataclass(frozen=True)
class Patient:
    """An app, what it has on the local AWS, and what the doctor says of it.

    Attributes:
        app: the Celery app.
        here: its corner of the local AWS.
    """

    app: Celery
    here: AwsEnvironment

    def run(self, *arguments: str) -> Result:
        """Run ``celery -A shop aws doctor``."""
        context = CLIContext(app=self.app, no_color=True, workdir=None)
        return CliRunner().invoke(aws, ["doctor", *arguments], obj=context)

    def findings(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """Return what it finds, by ids; the exit code has to fit it."""
        ended = self.run(*arguments, "--json")
        assert ended.exit_code != 2, ended.stderr
        assert isinstance(ended.exception, (SystemExit, type(None))), ended.exception
        report = json.loads(ended.stdout)
        worst = {each["severity"] for each in report["findings"]} - {"notice"}
        assert ended.exit_code == (3 if not report["answered"] else 1 if worst else 0)
        assert report["healthy"] is (not worst)
        return {each["id"]: each for each in report["findings"]}

    def ids(self, *arguments: str) -> list[str]:
        """Return the ids of what it finds, sorted."""
        return sorted(self.findings(*arguments))

    def options(self, **changes: Any) -> None:
        """Change broker_transport_options."""
        conf = self.app.conf
        conf.broker_transport_options = {**conf.broker_transport_options, **changes}

    def provision(self) -> None:
        """Make what the app needs: its tables, and its queues with their dead-letter queues."""
        create_table(self.app)
        with self.app.connection_for_write() as connection:
            assert connection.transport.coordination is not None
            connection.transport.coordination.table.create()
            for queue in self.app.amqp.queues.values():
                queue(connection.default_channel).declare()

    def name(self, queue: str) -> str:
        """Return a queue's name on AWS."""
        return f"{self.here.queue_name_prefix}{queue}"

    def url(self, queue: str = "celery") -> str:
        """Return a queue's URL."""
        return str(boto3.client("sqs").get_queue_url(QueueName=self.name(queue))["QueueUrl"])

    def set(self, queue: str = "celery", **attributes: str) -> None:
        """Change a queue by hand."""
        boto3.client("sqs").set_queue_attributes(QueueUrl=self.url(queue), Attributes=attributes)

    @property
    def coordination_table(self) -> str:
        """The name of its coordination table."""
        return self.name("celery-coordination")

    def asking_with(self, key: str, secret: str) -> "Patient":
        """Return the same app with a key pair in its URLs."""
        host = self.here.endpoint_url.removeprefix("http://")
        pair = f"{quote(key, safe='')}:{quote(secret, safe='')}"
        results = f"{self.here.results_table}?region={self.here.region}"
        return patient_at(
            self.here,
            broker_url=f"aws+sqs://{pair}@{host}",
            result_backend=f"aws+dynamodb://{pair}@{host}/{results}",
        )


def patient_at(here: AwsEnvironment, **configuration: Any) -> Patient:
    """Return an app in a corner of the local AWS; nothing is made."""
    app = Celery("shop", set_as_current=False)
    app.conf.update({**here.celery_config(), **configuration})
    found = Patient(lonely(app), here)
    found.options(wait_time_seconds=20)
    return found


@pytest.fixture
def new_patient() -> Iterator[Callable[[AwsEnvironment], Patient]]:
    """Make apps that are closed at the end."""
    made = []

    def make(here: AwsEnvironment) -> Patient:
        made.append(patient_at(here))
        return made[-1]

    yield make
    for patient in made:
        patient.app.close()
    # Its pools of connections are of the process, and by URL.
    pools.reset()


@pytest.fixture
def stranger(
    aws_environment: AwsEnvironment, new_patient: Callable[[AwsEnvironment], Patient]
) -> Patient:
    """An app for which nothing was made yet."""
    return new_patient(aws_environment)


@pytest.fixture
def patient(stranger: Patient) -> Patient:
    """An app for which everything was made."""
    stranger.provision()
    return stranger
