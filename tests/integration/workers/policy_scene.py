"""Everything that an app does on AWS, by processes with generated policies and nothing else."""

import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import boto3
from celery import Celery, chord, group
from celery.bin.base import CLIContext
from click.testing import CliRunner

from celery_aws.cli import aws as commands
from celery_aws.deployment import Deployment
from celery_aws.iam import PolicyDocument, Role, policy
from celery_aws.testing import WorkerProcess
from tests.integration.policed import User, Users, account, deployed, provision
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

MIB = 1_048_576

#: Seconds for which something is waited for that shall not come.
NEVER_SECONDS = 1.5

#: Seconds after which a task has run that was parked until its eta, six seconds ahead.
LATE_SECONDS = 10.0

#: Of queues, as Celery takes them from JSON.
QUEUES = {
    "celery": {"exchange": "", "queue_arguments": {"x-max-priority": 3}},
    "news": {"exchange": "news", "exchange_type": "topic", "binding_key": "news.#"},
    "orders.fifo": {"exchange": ""},
}


class NotAllowedError(Exception):
    """Something does not work."""


class PolicyScene:
    """An app whose resources are there, and users for its processes.

    Args:
        project: of an AWS that checks rights; its own are root's.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.users = Users(f"{project.aws.queue_name_prefix}user-")
        bucket = f"big-{uuid.uuid4().hex[:12]}"
        project.configure(
            task_queues=QUEUES,
            broker_transport_options={
                "large_message_bucket": bucket,
                "large_message_prefix": "messages/",
                "create_missing_queues": False,
                "create_coordination_table": False,
                "queue_tags": {"team": "shop"},
            },
            result_backend_transport_options={
                "large_result_bucket": bucket,
                "large_result_prefix": "results/",
                "create_table": False,
            },
        )
        self.bucket = bucket
        self.deployment: Deployment = deployed(project.config)
        provisioner = self.users.make("provisioner", self.policy(Role.PROVISIONER))
        provision(project.config, provisioner)

    def policy(self, role: Role) -> PolicyDocument:
        return policy(self.deployment, role, account())

    def user(self, role: Role, document: PolicyDocument | None = None) -> User:
        """Return a new user with the role's policy, or another one."""
        name = f"{role.value}-{uuid.uuid4().hex[:6]}"
        return self.users.make(name, document or self.policy(role))

    def app(self, role: Role, document: PolicyDocument | None = None) -> Celery:
        """Return the app of such a user."""
        settings = {"task_publish_retry": False}
        return self.project.client(
            **self.user(role, document).config(self.project.config), **settings
        )

    def new_worker(self, document: PolicyDocument | None = None, **how: Any) -> WorkerProcess:
        """Return a worker of such a user, on all queues; it is not started."""
        variables = self.user(Role.WORKER, document).variables
        return self.project.worker(environment=variables, **{"pool": "solo", **how})

    def objects(self, prefix: str) -> list[str]:
        """Return the keys of what is in S3."""
        listed = boto3.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [each["Key"] for each in listed.get("Contents", ())]


@contextmanager
def ending(worker: WorkerProcess) -> Iterator[WorkerProcess]:
    """End a worker at the end."""
    try:
        yield worker
    finally:
        worker.kill()


@dataclass(frozen=True)
class Deed:
    """Something that processes do.

    Args:
        scene: where.
        producer: sends tasks.
        monitor: commands.
        seconds: how long to wait for what comes of it.
    """

    scene: PolicyScene
    producer: Celery
    monitor: Celery
    seconds: float = PATIENCE_SECONDS

    def task(self) -> None:
        _equal(self._add(), 3)

    def priority(self) -> None:
        for number in (0, 3):
            _equal(self._add(priority=number), 3)

    def ordered(self) -> None:
        _equal(self._add(queue="orders.fifo"), 3)

    def retried(self) -> None:
        _equal(self._send("proj.third_time").get(timeout=self.seconds), 2)

    def delayed(self) -> None:
        _equal(self._add(countdown=6), 3)

    def parked(self) -> None:
        sent = self._send("proj.add", 1, 2, countdown=3_600)
        self._until(lambda: any(sent.id in each for each in self._items("schedule#")))

    def moved(self) -> None:
        """A FIFO queue has no delays of messages: each eta is parked, and moved by a worker."""
        _equal(self._add(queue="orders.fifo", countdown=6), 3)

    def routed(self) -> None:
        """It comes only if the exchange's bindings are found."""
        exchange = {"exchange": "news", "exchange_type": "topic", "routing_key": "news.today"}
        _equal(self._add(**exchange), 3)

    def batched(self) -> None:
        results = group(self._add_of(n, n) for n in range(12)).apply_async()
        _equal(results.get(timeout=self.seconds), [2 * n for n in range(12)])

    def chorded(self) -> None:
        header = group(self._add_of(n, n) for n in range(3))
        result = chord(header)(self.producer.signature("proj.length", args=()))
        # len() of a list of three.
        _equal(result.get(timeout=self.seconds), 3)

    def saved(self) -> None:
        results = group(self._add_of(n, n) for n in range(2)).apply_async()
        results.save()
        found = self.producer.GroupResult.restore(results.id)
        _equal(found.get(timeout=self.seconds), [0, 2])

    def forgotten(self) -> None:
        result = self._send("proj.add", 1, 2)
        _equal(result.get(timeout=self.seconds), 3)
        result.forget()
        _equal(self.producer.AsyncResult(result.id).state, "PENDING")

    def pieces_forgotten(self) -> None:
        """Who has no bucket has large results in several items."""
        keeper = self.scene.project.client(result_backend_transport_options={})
        task_id = str(uuid.uuid4())
        keeper.backend.store_result(task_id, random.Random(1).randbytes(900_000).hex(), "SUCCESS")
        _equal(len(self._results(task_id)) > 2, True)
        self.producer.AsyncResult(task_id).forget()
        self._until(lambda: not self._results(task_id))

    def large_message(self) -> None:
        text = random.Random(2).randbytes(MIB).hex()
        sent = self._send("proj.length", text)
        _equal(sent.get(timeout=self.seconds), len(text))
        self._until(lambda: not self.scene.objects("messages/"))

    def large_result(self) -> None:
        result = self._send("proj.long_text", MIB)
        _equal(len(result.get(timeout=self.seconds)), MIB)
        result.forget()
        self._until(lambda: not self.scene.objects("results/"))

    def large_group(self) -> None:
        """Saved, it is larger than an item; none of its tasks is ever sent."""
        ids = [str(uuid.UUID(bytes=random.Random(n).randbytes(16))) for n in range(30_000)]
        results = self.producer.GroupResult("large", [self.producer.AsyncResult(n) for n in ids])
        before = self.scene.objects("results/")
        results.save()
        _equal(len(self.scene.objects("results/")), len(before) + 1)
        results.delete()
        _equal(self.scene.objects("results/"), before)

    def rejected(self) -> None:
        before = self.scene.project.messages("celery-dead-letter")[0]
        self._send("proj.reject", "why", ignore_result=True)
        now = (before + 1, 0)
        found = self.scene.project.wait_for_messages(now, "celery-dead-letter", self.seconds)
        _equal(found, now)

    def commanded(self) -> None:
        replies = self.monitor.control.ping(limit=1, timeout=self.seconds)
        _equal([list(each.values()) for each in replies], [[{"ok": "pong"}]])

    def inspected(self) -> None:
        inspect = self.monitor.control.inspect(limit=1, timeout=self.seconds)
        _equal("proj.add" in next(iter((inspect.registered() or {"": []}).values())), True)

    def revoked(self) -> None:
        sent = self._send("proj.add", 1, 2, countdown=3_600)
        self.monitor.control.revoke(sent.id, reply=True, limit=1, timeout=self.seconds)
        self._until(lambda: f"revoked#{sent.id}" in self._partitions())

    def watched(self) -> None:
        with self.monitor.connection_for_read() as connection:
            for queue in ("celery", "news", "orders.fifo"):
                found = connection.default_channel.queue_declare(queue, passive=True)
                _equal(found.message_count, 0)

    def listened(self) -> None:
        seen: list[str] = []
        with self.monitor.connection_for_read() as given:
            receiver = self.monitor.events.Receiver(
                given, handlers={"*": lambda event: seen.append(event["type"])}
            )
            with receiver.consumer_context(wakeup=False) as (connection, _, _):
                self.monitor.control.enable_events()
                self._send("proj.add", 1, 2)
                deadline = time.monotonic() + self.seconds
                while "task-succeeded" not in seen and time.monotonic() < deadline:
                    with suppress(TimeoutError):
                        connection.drain_events(timeout=0.1)
        _equal("task-succeeded" in seen, True)

    def counted(self) -> None:
        self._send("proj.add", 1, 2, countdown=7_200)
        context = CLIContext(app=self.monitor, no_color=True, workdir=None)
        result = CliRunner().invoke(commands, ["schedule", "counts"], obj=context)
        _equal((result.exit_code, result.stderr), (0, result.stderr))

    def billed(self) -> None:
        context = CLIContext(app=self.monitor, no_color=True, workdir=None)
        result = CliRunner().invoke(commands, ["cost", "actual"], obj=context)
        _equal((result.exit_code, result.stderr), (0, ""))

    def _add(self, **how: Any) -> Any:
        return self._send("proj.add", 1, 2, **how).get(timeout=self.seconds)

    def _add_of(self, *arguments: Any) -> Any:
        return self.producer.signature("proj.add", args=arguments)

    def _send(self, name: str, *arguments: Any, **how: Any) -> Any:
        return self.producer.send_task(name, arguments, **how)

    def _until(self, claim: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.seconds
        while not claim():
            if time.monotonic() > deadline:
                raise NotAllowedError("it did not come about")
            time.sleep(0.05)

    def _items(self, *kinds: str) -> list[str]:
        return self.scene.project.shared(*kinds)

    def _partitions(self) -> set[str]:
        name = f"{self.scene.project.aws.queue_name_prefix}celery-coordination"
        return {item["pk"] for item in boto3.resource("dynamodb").Table(name).scan()["Items"]}

    def _results(self, task_id: str) -> list[str]:
        table = boto3.resource("dynamodb").Table(self.scene.project.aws.results_table)
        items = table.scan(ProjectionExpression="id")["Items"]
        return [item["id"] for item in items if task_id in item["id"]]


def _equal(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise NotAllowedError(f"{found!r} is not {wanted!r}")
