"""A whole run from RabbitMQ to SQS, and back, of what real Celery puts into queues and delays."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Queue

from celery_aws.clock import SystemClock
from celery_aws.migrate.journal import Journal
from celery_aws.migrate.opening import inventory_of, source_of, target_of
from celery_aws.migrate.quarantine import Quarantine
from celery_aws.migrate.tally import Tally
from celery_aws.migrate.transfer import migrate
from celery_aws.migrate.transfer_order import Order, Sides
from celery_aws.names import AmqpQueue
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.migrate.amqp.conftest import MakeApp, quorum, ready, start_delays

QUEUES = {AmqpQueue(name): AmqpQueue(name) for name in ("work", "plain")}
CLOCK = SystemClock()


@pytest.fixture
def old(make_app: MakeApp) -> Celery:
    app = make_app(
        task_queues=[quorum("work", "work", key="work.k"), Queue("plain", max_priority=10)],
        accept_content=["json", "pickle"],
    )
    start_delays(app)
    return app


@pytest.fixture
def new(aws_environment: AwsEnvironment) -> Iterator[Celery]:
    app = Celery("new", set_as_current=False)
    config = aws_environment.celery_config()
    options = {**config["broker_transport_options"], "priority_steps": [0, 3, 6, 9]}
    app.conf.update({**config, "broker_transport_options": options})
    app.conf.task_queues = [Queue("work"), Queue("plain")]
    yield app
    app.close()


def move(source: Celery, target: Celery, folder: Path, run: str, threads: int = 1) -> Tally:
    """What `migrate run` and `migrate rollback` do."""
    path = folder / "journal.sqlite"
    options: dict[str, Any] = {"queues": QUEUES}
    with closing(Journal(path)) as journal, journal.held():
        addresses = [str(each.connection_for_write().as_uri()) for each in (source, target)]
        began = journal.begin(source=addresses[0], target=addresses[1], name=run, now=CLOCK.now())
        return migrate(
            Sides(
                source=lambda name: source_of(source, run=name, **options),
                target=lambda name: target_of(target, name, passage=began.name),
            ),
            Order(run=run, threads=threads),
            journal=journal,
            quarantine=Quarantine.beside(path, source="rabbit"),
            clock=CLOCK,
        )


def publish(app: Celery) -> dict[str, datetime | None]:
    """Tasks of every kind, by their ids, with their etas."""
    now = datetime.now(timezone.utc)
    tasks: dict[str, datetime | None] = {}
    for number in range(20):
        priority, serializer = number % 10, ("json", "pickle")[number % 2]
        sent = app.send_task("t", [number], queue="plain", priority=priority, serializer=serializer)
        tasks[sent.id] = None
        tasks[app.send_task("t", [number], queue="work", expires=7200).id] = None
    for seconds in (600, 4_000, 90_000):
        for queue in ("plain", "work"):
            eta = now + timedelta(seconds=seconds)
            tasks[app.send_task("t", queue=queue, eta=eta).id] = eta
    return tasks


def left_in(app: Celery) -> int:
    inventory = inventory_of(app, queues=list(QUEUES))
    return inventory.delayed + sum(each.messages for each in inventory.queues)


def all_of(app: Celery) -> Mapping[str, Mapping[str, Any]]:
    """Headers of all that waits in an old app's queues and delays, by task id."""
    with closing(source_of(app, queues=QUEUES, run="look")) as source:
        found: dict[str, Mapping[str, Any]] = {}
        while claims := source.claim(10):
            for claim in claims:
                envelope = claim.message.envelope  # type: ignore[union-attr]
                assert envelope["headers"]["id"] not in found
                found[envelope["headers"]["id"]] = envelope
        return found


def test_tasks_of_one_chosen_id_are_each_moved(old: Celery, new: Celery, tmp_path: Path) -> None:
    """A worker drops what has the mark of another; so these have marks of their own."""
    for _ in range(3):
        old.send_task("t", [1], queue="plain", task_id="daily")

    assert move(old, new, tmp_path, "there").sent == 3
    old.send_task("t", [1], queue="plain", task_id="daily")
    assert move(old, new, tmp_path, "there").sent == 1

    with closing(source_of(new, queues=QUEUES, run="look")) as source:
        claims = [claim for _ in range(4) for claim in source.claim(10)]
    assert len({claim.message.key for claim in claims}) == len(claims) == 4


def test_there_and_back(old: Celery, new: Celery, tmp_path: Path) -> None:
    tasks = publish(old)
    before = all_of(old)
    assert before.keys() == tasks.keys()
    there = move(old, new, tmp_path, "there", threads=3)
    assert (there.moved, there.left, there.quarantined) == (46, 0, 0)
    # 600 seconds are a delay of SQS's.
    assert there.parked == 4
    assert left_in(old) == 0
    assert move(old, new, tmp_path, "again").moved == 0
    back = move(new, old, tmp_path, "back")
    # What SQS delays is not to be had before its time.
    assert back.moved == 44
    after = all_of(old)
    assert len(after) == 44
    for task_id, envelope in after.items():
        assert envelope["headers"] == before[task_id]["headers"]
        assert envelope["body"] == before[task_id]["body"]
        assert envelope["properties"].get("priority") == before[task_id]["properties"].get(
            "priority"
        )
        expiration = envelope["properties"].get("expiration")
        assert expiration == before[task_id]["properties"].get("expiration")
    assert ready(old, "plain") == 22
