"""``celery -A proj aws ...`` on doubles of SQS, DynamoDB and S3."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result
from kombu import pools

from celery_aws.aws.operators import OperatorServices
from celery_aws.broker import Transport
from celery_aws.cli import aws
from celery_aws.core.messages import OutgoingMessage
from celery_aws.dlq import looking
from celery_aws.names import BucketName, QueueName, TableName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_operators import MemoryOperators
from celery_aws.testing.memory_queue import StoredMessage
from celery_aws.testing.memory_s3 import MemoryS3
from celery_aws.testing.memory_sqs import MemorySqs

DEAD = QueueName("celery-dead-letter")

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


class Graveyard:
    """The dead-letter queues of a shop, and the commands for them."""

    def __init__(self, shop: Shop, operators: MemoryOperators) -> None:
        self.shop = shop
        self.operators = operators
        shop.options(max_receive_count=1)

    def bury(self, *task_ids: str, task: str = "shop.mail", **options: Any) -> None:
        """Send tasks, and let SQS take them for poison."""
        for task_id in task_ids:
            self.shop.app.send_task(task, ["you"], {"copy": 1}, task_id=task_id, **options)
        name = QueueName(options.get("queue", "celery"))
        if options.get("priority"):
            name = QueueName(f"{name}-priority-{options['priority']}")
        self.poison(name)

    def poison(self, name: QueueName) -> None:
        """Receive what is in a queue too often."""
        url = self.shop.sqs.queue_url(name)
        while self.shop.sqs.receive(
            url, max_messages=10, wait_seconds=0, visibility_timeout_seconds=0
        ):
            pass

    def send(self, *bodies: str, queue: QueueName = DEAD, **parts: Any) -> None:
        """Send messages to a dead-letter queue, as a worker does with what it rejects."""
        for body in bodies:
            url = self.shop.sqs.queue_url(queue)
            self.shop.sqs.send(url, OutgoingMessage(body=body, **parts))

    def fifo(self, *task_ids: str, group: str) -> None:
        """Send tasks to the queue ``orders.fifo``, and let SQS take them for poison."""
        for task_id in task_ids:
            self.shop.app.send_task(
                "shop.mail", task_id=task_id, queue="orders.fifo", MessageGroupId=group
            )
        self.poison(QueueName("orders.fifo"))

    def reject(self, *task_ids: str, dead: QueueName = DEAD, **options: Any) -> None:
        """Send tasks to a dead-letter queue, as a worker does with what it rejects."""
        name = QueueName(options.get("queue", "celery"))
        if options.get("priority"):
            name = QueueName(f"{name}-priority-{options['priority']}")
        for task_id in task_ids:
            self.shop.app.send_task("shop.mail", ["you"], task_id=task_id, **options)
        url = self.shop.sqs.queue_url(name)
        for message in self.shop.sqs.receive(
            url, max_messages=10, wait_seconds=0, visibility_timeout_seconds=30
        ):
            group = message.message_group_id
            self.send(message.body, queue=dead, message_group_id=group)
            self.shop.sqs.delete_batch(url, [message.receipt_handle])

    def run(self, *arguments: str, typed: str = "") -> Result:
        """Run ``celery -A shop aws dlq ...``."""
        return self.shop.run("dlq", *arguments, typed=typed)

    def json(self, *arguments: str, exit_code: int = 0) -> Any:
        """Run the same with ``--json`` and return what it prints."""
        ended = self.run(*arguments, "--json")
        assert ended.exit_code == exit_code, ended.output
        return json.loads(ended.stdout)

    def ids(self, name: str = DEAD) -> list[str]:
        """Return the ids of the tasks in a queue, whoever may receive them."""
        return sorted(map(self.id_of, self.shop.sqs.messages(QueueName(name))))

    def id_of(self, message: StoredMessage) -> str:
        """Return the id of a message's task."""
        return str(json.loads(message.body)["headers"]["id"])

    def hidden(self, name: str = DEAD) -> int:
        """Return how many messages of a queue nobody can receive."""
        url = self.shop.sqs.queue_url(QueueName(name))
        wanted = "ApproximateNumberOfMessagesNotVisible"
        return int(self.shop.sqs.queue_attributes(url, [wanted])[wanted])


@pytest.fixture
def graveyard(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Graveyard:
    operators = MemoryOperators(shop.sqs)
    for service in ("dead_letters", "moves", "listing"):
        monkeypatch.setattr(OperatorServices, service, staticmethod(lambda _: operators))
    # The clock of the double stands still: a long poll of an empty queue would never end.
    monkeypatch.setattr(looking, "WAIT_SECONDS", 0)
    return Graveyard(shop, operators)
