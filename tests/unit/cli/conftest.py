"""``celery -A proj aws ...`` on doubles of SQS, DynamoDB and S3."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result
from kombu import pools

from celery_aws.broker import Transport
from celery_aws.cli import aws
from celery_aws.names import BucketName, TableName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_s3 import MemoryS3
from celery_aws.testing.memory_sqs import MemorySqs

TABLE = TableName("celery-coordination")
BUCKET = BucketName("payloads")


class Shop:
    """An app whose broker is a double, and its command line."""

    def __init__(
        self, app: Celery, sqs: MemorySqs, tables: MemoryTableService, s3: MemoryS3
    ) -> None:
        self.app = app
        self.s3 = s3
        self.sqs = sqs
        self.tables = tables

    def options(self, **changes: Any) -> None:
        """Change broker_transport_options."""
        self.app.conf.broker_transport_options = {
            **self.app.conf.broker_transport_options,
            **changes,
        }

    def send(self, countdown: float, *, task_id: str = "one", **options: Any) -> str:
        """Send a task."""
        self.app.send_task(
            "shop.mail", ["you"], {"copy": 1}, countdown=countdown, task_id=task_id, **options
        )
        return task_id

    def run(self, *arguments: str, typed: str = "") -> Result:
        """Run ``celery -A shop aws ...``."""
        context = CLIContext(app=self.app, no_color=True, workdir=None)
        return CliRunner().invoke(aws, arguments, obj=context, input=typed)

    def schedule(self, *arguments: str, typed: str = "") -> Result:
        """Run ``celery -A shop aws schedule ...``."""
        return self.run("schedule", *arguments, typed=typed)

    def schedule_json(self, *arguments: str) -> Any:
        """Run the same with ``--json`` and return what it prints; it must succeed."""
        ended = self.schedule(*arguments, "--json")
        assert ended.exit_code == 0, ended.output
        return json.loads(ended.stdout)

    def ids(self, *arguments: str) -> list[str]:
        """Return the ids that ``schedule list`` shows."""
        return [task["id"] for task in self.schedule_json("list", *arguments)["tasks"]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def shop(
    clock: FakeClock, bare_environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    sqs, tables, s3 = MemorySqs(clock), MemoryTableService(clock=clock), MemoryS3(BUCKET)
    monkeypatch.setattr(Transport, "services", staticmethod(lambda _: sqs))
    monkeypatch.setattr(Transport, "table_services", staticmethod(lambda _: tables))
    monkeypatch.setattr(Transport, "object_services", staticmethod(lambda _: s3))
    monkeypatch.setattr(Transport, "clock", clock)
    app = Celery("shop", set_as_current=False, broker="aws+sqs://KEY:very%2Fsecret@localhost:1")
    # The clock stands still in the past; Celery's own is the machine's.
    app.now = clock.now
    app.conf.broker_transport_options = {"region": "eu-west-1"}
    yield Shop(app, sqs, tables, s3)
    app.close()
    sqs.close()
    # Its pools of connections are of the process, and by URL.
    pools.reset()
