"""What becomes of tasks, as Celery publishes them."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from celery import Celery

from celery_aws.core.envelope import load_envelope
from celery_aws.core.schedule import STANDARD, Lane, ScheduledTask
from celery_aws.core.scheduled_items import scheduled_task
from celery_aws.names import QueueName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import URL, Connect


def new_app(connect: Connect, *, protocol: int = 2, **options: Any) -> Celery:
    connect()  # its doubles
    app = Celery("shop", broker=URL, set_as_current=False, task_protocol=protocol)
    app.conf.broker_transport_options = {"region": "eu-west-1", **options}
    return app


def send_task(app: Celery, name: str, **options: Any) -> None:
    # Not by the pool, which kombu shares between apps of one URL.
    with app.connection_for_write() as connection:
        app.send_task(name, connection=connection, **options)


def parked_by(app: Celery, lane: Lane = STANDARD) -> list[ScheduledTask]:
    with app.connection_for_write() as connection:
        coordination = connection.transport.coordination
    return [
        scheduled_task(entry)
        for marker in coordination.schedule.markers(lane)
        for page in coordination.schedule.entries(marker.shard)
        for entry in page
    ]


@pytest.mark.parametrize("protocol", [1, 2])
@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml"])
def test_every_protocol_and_serializer_is_parked(
    connect: Connect, clock: FakeClock, protocol: int, serializer: str
) -> None:
    app = new_app(connect, protocol=protocol)
    # Celery makes etas of countdowns by the clock of the machine.
    due = clock.now() + timedelta(days=3)
    send_task(app, "shop.mail", task_id="42", eta=due, serializer=serializer)

    (task,) = parked_by(app)
    assert (task.task_id, task.task, task.due) == ("42", "shop.mail", due)
    assert load_envelope(task.message.body)["properties"]["correlation_id"] == "42"


def test_naive_etas_and_zones_mean_what_the_worker_takes_them_for(
    connect: Connect, clock: FakeClock
) -> None:
    app = new_app(connect)
    due = clock.now() + timedelta(days=3)
    for eta in (due.replace(tzinfo=None), due.astimezone(timezone(timedelta(hours=9)))):
        send_task(app, "shop.mail", eta=eta)

    assert {task.due for task in parked_by(app)} == {due}


def test_an_explicit_delay_beats_the_eta_of_a_task(
    connect: Connect, sqs: MemorySqs, clock: FakeClock
) -> None:
    app = new_app(connect)
    send_task(app, "shop.mail", eta=clock.now() + timedelta(days=3), delay_seconds=30)

    (message,) = sqs.messages(QueueName("celery"))
    assert message.visible_at - message.sent_at == 30


def test_what_is_no_task_is_never_parked(connect: Connect, sqs: MemorySqs) -> None:
    app = new_app(connect)
    eta = datetime(2999, 1, 1, tzinfo=timezone.utc).isoformat()
    with app.connection_for_write() as connection:
        connection.Producer().publish({"eta": eta}, routing_key="celery", headers={"eta": eta})

    assert len(sqs.messages(QueueName("celery"))) == 1


def test_the_queue_is_the_one_of_the_priority(connect: Connect, sqs: MemorySqs) -> None:
    app = new_app(connect, priority_steps=[0, 5])
    send_task(app, "shop.mail", countdown=3_600, priority=7)

    (task,) = parked_by(app)
    assert task.queue != "celery"
    assert str(task.queue_url).endswith(f"/{task.queue}")
