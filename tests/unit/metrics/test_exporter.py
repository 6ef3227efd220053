"""What an exporter sees, and what it may cost, in requests."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from celery_aws.cli.broker import broker_of
from celery_aws.core.routing import Binding
from celery_aws.errors import AccessDeniedError, ConfigurationError
from celery_aws.metrics.exporter import Exporter, ExporterSettings
from celery_aws.metrics.fleet_look import MOST_LEFT, FleetLook
from celery_aws.names import AmqpQueue, QueueName
from tests.unit.cli.conftest import Shop

HOUR = 3_600

#: What is asked of the doubles.
ASK, FIND = "GetQueueAttributes", "GetQueueUrl"


class Watched:
    """An exporter without events and questions to workers, for a shop."""

    def __init__(self, shop: Shop, **settings: Any) -> None:
        self.shop = shop
        with broker_of(shop.app) as broker:
            self.exporter = Exporter(
                shop.app,
                broker,
                ExporterSettings(events=False, **{"inspect_seconds": 0, **settings}),
            )
            self.clock = broker.clock

    def look(self) -> dict[tuple[str, ...], Any]:
        """Look once at what is due; return what is told."""
        self.exporter.reader.turn()
        # The usage is this process's, of all tests.
        return {
            (each.metric.name, *each.labels): each.value for each in self.exporter.reader.samples()
        }

    def requests_of(self, seconds: float) -> Counter[str]:
        """Return what is asked in some time, by operation, after the first looks."""
        self.exporter.reader.turn()
        sqs, tables = len(self.shop.sqs.calls), Counter(self.shop.tables.requests)
        until = self.clock.monotonic() + seconds
        while (pause := self.exporter.reader.turn()) and self.clock.monotonic() + pause <= until:
            self.clock.sleep(pause)
        spent = Counter(self.shop.tables.requests) - tables
        return spent + Counter(call.operation for call in self.shop.sqs.calls[sqs:])


def make_queue(shop: Shop, name: str) -> None:
    shop.app.amqp.queues.add(name)
    with shop.app.connection_for_write() as connection:
        connection.default_channel.queue_declare(name)


def test_queues_are_seen_with_their_dead_letters(shop: Shop) -> None:
    shop.send(0)
    shop.send(0, task_id="two")
    shop.send(600, task_id="later")
    shop.send(0, task_id="other", queue="mail")
    found = Watched(shop, queues=("mail", "missing")).look()
    assert found["celery_queue_length", "celery"] == 2
    assert found["celery_aws_queue_messages_visible", "celery"] == 2
    assert found["celery_aws_queue_messages_delayed", "celery"] == 1
    assert found["celery_aws_queue_messages_in_flight", "celery"] == 0
    assert found["celery_aws_queue_dead_letters", "celery"] == 0
    assert found["celery_queue_length", "mail"] == 1
    assert ("celery_queue_length", "missing") not in found


def test_priorities_are_one_queue_with_one_dead_letter_queue(shop: Shop) -> None:
    shop.app.conf.task_queue_max_priority = 6
    for priority in (0, 3, 6):
        shop.send(0, task_id=str(priority), queue="mail", priority=priority)
    watched = Watched(shop, queues=("mail",))
    assert watched.look()["celery_queue_length", "mail"] == 3
    asked = watched.requests_of(60)
    # Three steps and a dead-letter queue; the app's default queue does not exist.
    assert asked[ASK] == 4


def test_parked_tasks_are_counted_by_lane(shop: Shop) -> None:
    for number in range(3):
        shop.send(2 * HOUR, task_id=str(number))
    shop.send(HOUR, task_id="fifo", queue="orders.fifo")
    found = Watched(shop).look()
    assert found["celery_aws_scheduled_tasks", "standard"] == 3
    assert found["celery_aws_scheduled_tasks", "fifo"] == 1


def test_registered_workers_are_those_with_a_mailbox(shop: Shop) -> None:
    shop.send(2 * HOUR)  # which makes the table
    with broker_of(shop.app) as broker:
        assert broker.coordination is not None
        for exchange, queue in (
            ("celery.pidbox", "one@host.celery.pidbox"),
            ("celery.pidbox", "two@host.celery.pidbox"),
            ("celeryev", "celeryev.1"),
        ):
            broker.coordination.bindings.put(
                Binding(exchange=exchange, kind="fanout", queue=AmqpQueue(queue), routing_key="")
            )
    assert Watched(shop).look()["celery_aws_registered_workers",] == 2


def test_a_queue_that_may_not_be_seen_hides_no_other(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted, or nobody would learn that its dead letters are not looked at."""
    make_queue(shop, "celery")
    make_queue(shop, "mail")
    shop.sqs.faults.fail(ASK, AccessDeniedError("no"))
    found = Watched(shop).look()
    assert {key[1] for key in found if key[0] == "celery_queue_length"} == {"mail"}
    assert "queues cannot be looked at now: no" in caplog.text
    assert found["celery_aws_exporter_reads_failed_total", "queues"] == 1


def test_a_dead_letter_queue_that_may_not_be_seen_hides_no_queue(shop: Shop) -> None:
    make_queue(shop, "celery")
    watched = Watched(shop)
    shop.sqs.faults.fail(FIND, AccessDeniedError("no"))
    found = watched.look()
    assert found["celery_queue_length", "celery"] == 0
    assert ("celery_aws_queue_dead_letters", "celery") not in found
    assert found["celery_aws_exporter_reads_failed_total", "queues"] == 1


def test_a_dead_letter_queue_that_is_made_later_is_seen_then(shop: Shop) -> None:
    make_queue(shop, "celery")
    dead_letters = QueueName("celery-dead-letter")
    shop.sqs.delete_queue(shop.sqs.queue_url(dead_letters))
    watched = Watched(shop)
    assert ("celery_aws_queue_dead_letters", "celery") not in watched.look()
    watched.clock.sleep(60)
    shop.sqs.create_queue(dead_letters, {}, {})
    assert watched.look()["celery_aws_queue_dead_letters", "celery"] == 0


def test_when_no_queue_can_be_seen_it_is_a_failed_look(shop: Shop) -> None:
    make_queue(shop, "celery")
    shop.sqs.faults.fail(ASK, AccessDeniedError("no"))
    found = Watched(shop).look()
    assert found["celery_aws_exporter_reads_failed_total", "queues"] == 1
    assert ("celery_queue_length", "celery") not in found


@pytest.mark.parametrize("queues", [1, 10])
def test_the_budget_of_an_hour(shop: Shop, queues: int) -> None:
    """The figures of docs/how-to/metrics.md: a queue and its dead-letter queue, once a minute."""
    for number in range(queues):
        make_queue(shop, f"queue-{number}" if number else "celery")
    asked = Watched(shop).requests_of(HOUR)
    # The registry each minute; and of parked tasks, two lanes each five minutes.
    assert asked == {ASK: 60 * 2 * queues, "Query": 60 + 12 * 2}


def test_longer_intervals_cost_less(shop: Shop) -> None:
    make_queue(shop, "celery")
    watched = Watched(shop, queue_seconds=300, schedule_seconds=0)
    assert watched.requests_of(HOUR) == {ASK: 12 * 2, "Query": 12}


def test_counting_many_parked_tasks_is_done_less_often(shop: Shop) -> None:
    for number in range(30):
        shop.send(2 * HOUR + 300 * number, task_id=str(number))
    watched = Watched(shop, queue_seconds=HOUR)
    asked = watched.requests_of(HOUR)
    assert watched.look()["celery_aws_scheduled_tasks", "standard"] == 30
    # Thirty shards are thirty requests: the next count comes after thirty minutes.
    assert asked["Query"] <= 2 * (30 + 2) + 1


def test_backlog_and_time_to_drain(shop: Shop) -> None:
    """A queue of six messages, two workers, and thirty tasks that ended in the last minute."""
    for number in range(6):
        shop.send(0, task_id=str(number))
    with broker_of(shop.app) as broker:
        exporter = Exporter(shop.app, broker, ExporterSettings(inspect_seconds=0))
    exporter._fleet.workers = {"celery": 2, "nobody": 0}
    make_queue(shop, "nobody")
    shop.send(0, task_id="waits", queue="nobody")
    broker.clock.sleep(60)
    assert exporter.events is not None
    for number in range(30):
        exporter.events.handle(
            {"type": "task-succeeded", "uuid": str(number), "hostname": "one@host"}
        )
    exporter.reader.turn()
    found = {
        (each.metric.name, *each.labels): each.value
        for each in exporter.source.samples()
        if each.metric.name.startswith("celery_aws_queue_")
    }
    assert found["celery_aws_queue_backlog_per_worker", "celery"] == 3
    assert found["celery_aws_queue_backlog_per_worker", "nobody"] == 1
    assert found["celery_aws_queue_time_to_drain_seconds", "celery"] == pytest.approx(12)
    assert found["celery_aws_queue_time_to_drain_seconds", "nobody"] == float("inf")


class Control:
    """Answers of workers."""

    def __init__(self) -> None:
        self.queues: dict[str, list[dict[str, str]]] = {}

    def inspect(self, timeout: float) -> "Control":
        assert timeout
        return self

    def active_queues(self) -> dict[str, list[dict[str, str]]]:
        return self.queues

    def stats(self) -> dict[str, Any]:
        return {}


def test_queues_of_workers_that_come_and_go_are_not_looked_at_for_ever() -> None:
    """With worker_direct each worker has one, and each costs requests and time series."""
    control = Control()
    look = FleetLook(SimpleNamespace(control=control), ["celery"])
    for number in range(3 * MOST_LEFT):
        control.queues = {f"w{number}@host": [{"name": "celery"}, {"name": f"w{number}.dq"}]}
        look()
    control.queues |= {f"x{number}": [{"name": f"x{number}.dq"}] for number in range(MOST_LEFT)}
    look()
    control.queues = {}
    look()
    assert len(look.workers) == 1 + MOST_LEFT
    assert look.workers["celery"] == 0
    assert f"x{MOST_LEFT - 1}.dq" in look.workers


def test_events_need_the_coordination_table(shop: Shop) -> None:
    shop.options(coordination_table=False)
    with (
        broker_of(shop.app) as broker,
        pytest.raises(ConfigurationError, match="--no-events"),
    ):
        Exporter(shop.app, broker, ExporterSettings())
