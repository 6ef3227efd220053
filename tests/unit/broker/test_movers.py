import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from kombu import Consumer, Exchange, Queue
from kombu.asynchronous import Hub

from celery_aws.aws.access import Access
from celery_aws.broker.coordination import Coordination, coordination
from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.movers import DirectoryDestinations, Movers
from celery_aws.config.broker import parse_broker_options
from celery_aws.core.inboxes import inbox_name
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.schedule import STANDARD, ScheduledTask
from celery_aws.errors import AccessDeniedError, QueueNotFoundError
from celery_aws.names import AmqpQueue, QueueName, QueueUrl
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import PATIENCE_SECONDS, QUEUE, TASKS, Connect

ORDERS = Queue("orders.fifo", Exchange("orders.fifo"), routing_key="orders.fifo")


class StillClock(FakeClock):
    """Waits end when they are ended, and not with time."""

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        assert condition.wait(PATIENCE_SECONDS)


@pytest.fixture
def clock() -> FakeClock:
    return StillClock()


@pytest.fixture(autouse=True)
def _no_threads_are_left() -> Iterator[None]:
    yield
    assert moving() == []


def moving() -> list[str]:
    names = (thread.name for thread in threading.enumerate())
    return sorted(name for name in names if name.startswith("celery-aws-mover"))


class Bench:
    def __init__(
        self, clock: FakeClock, sqs: MemorySqs, tables: MemoryTableService, **options: Any
    ) -> None:
        parsed = parse_broker_options(options)
        access = Access(region="eu-west-1")
        self.clock = clock
        self.directory = QueueDirectory(parsed, access, lambda _: sqs, clock)
        self.coordination = coordination(parsed, access, lambda _: tables, clock)
        self.movers = Movers(self.coordination, self.directory, clock)

    def park(self, name: str) -> None:
        assert self.coordination is not None
        due = self.clock.now() + timedelta(seconds=900)
        task = ScheduledTask(
            task_id=name,
            task="shop.mail",
            due=due,
            send_after=due - timedelta(seconds=900),
            queue=QUEUE,
            queue_url=self.directory.address(QUEUE).url,
            message=OutgoingMessage(body=name),
        )
        self.coordination.schedule.park(task, STANDARD)


@pytest.fixture
def bench(clock: FakeClock, sqs: MemorySqs, tables: MemoryTableService) -> Iterator[Bench]:
    made = Bench(clock, sqs, tables)
    yield made
    made.movers.stop(PATIENCE_SECONDS)


def test_they_move_until_they_are_stopped(bench: Bench, sqs: MemorySqs) -> None:
    bench.park("task")

    bench.movers.start(fifo=False)

    assert sqs.wait_until(lambda: len(sqs.messages(QueueName("celery"))) == 1)
    bench.movers.stop(PATIENCE_SECONDS)
    assert moving() == []


def test_the_one_for_fifo_queues_runs_only_if_it_is_wanted(bench: Bench) -> None:
    bench.movers.start(fifo=False)
    assert moving() == ["celery-aws-mover-standard"]

    bench.movers.start(fifo=True)
    bench.movers.start(fifo=False)
    assert moving() == ["celery-aws-mover-fifo", "celery-aws-mover-standard"]


def test_what_was_stopped_is_not_started_again(bench: Bench) -> None:
    bench.movers.start(fifo=False)
    bench.movers.stop(PATIENCE_SECONDS)

    bench.movers.start(fifo=False)
    bench.movers.start(fifo=True)

    assert moving() == []


def test_stopping_what_never_started_is_nothing(bench: Bench) -> None:
    bench.movers.stop(0)


def test_without_a_table_nothing_is_started(
    clock: FakeClock, sqs: MemorySqs, tables: MemoryTableService
) -> None:
    made = Bench(clock, sqs, tables, coordination_table=False)

    made.movers.start(fifo=True)

    assert made.coordination is None
    assert moving() == []


def test_in_a_forked_child_nothing_of_it_runs_and_stopping_waits_for_nothing(bench: Bench) -> None:
    bench.movers.start(fifo=True)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            bench.movers.stop(PATIENCE_SECONDS)
            status = 0 if moving() == [] else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert len(moving()) == 2


# The transport.


def test_who_only_publishes_or_consumes_moves_nothing(connect: Connect) -> None:
    connection = connect(coordination_table=None)
    messages: list[Any] = []
    consumer = Consumer(connection.default_channel, [TASKS], on_message=messages.append)
    consumer.consume()
    connection.Producer().publish("1", routing_key="celery")
    connection.drain_events(timeout=PATIENCE_SECONDS)

    assert len(messages) == 1
    assert moving() == []


@pytest.mark.parametrize(
    ("queues", "lanes"), [([TASKS], ["standard"]), ([TASKS, ORDERS], ["fifo", "standard"])]
)
def test_a_worker_moves_and_fifo_only_if_it_consumes_one(
    connect: Connect, sqs: MemorySqs, queues: list[Queue], lanes: list[str]
) -> None:
    connection, hub = connect(coordination_table=None), Hub()
    connection.transport.register_with_event_loop(connection.connection, hub)
    Consumer(connection.default_channel, queues, on_message=lambda _: None).consume()
    next(hub.create_loop())

    assert moving() == [f"celery-aws-mover-{lane}" for lane in lanes]
    sqs.close()
    connection.close()
    hub.close()
    assert moving() == []


# Where they send to.


def test_a_queue_is_where_it_was_when_the_task_was_parked(bench: Bench, sqs: MemorySqs) -> None:
    destinations = DirectoryDestinations(bench.directory)
    url = QueueUrl("https://sqs.eu-west-1.amazonaws.com/1/elsewhere")

    assert destinations.destination(QUEUE, url) == (sqs, url)
    assert sqs.calls == []


@pytest.mark.parametrize("prefix", ["", "shop-"])
def test_nothing_is_sent_to_inboxes(bench: Bench, sqs: MemorySqs, prefix: str) -> None:
    """Who may park tasks may not command workers; the mover may."""
    destinations = DirectoryDestinations(bench.directory)
    inbox = inbox_name(prefix, "0123456789abcdef" * 2)

    with pytest.raises(AccessDeniedError, match="control commands"):
        destinations.destination(QUEUE, QueueUrl(f"https://sqs.eu-west-1.amazonaws.com/1/{inbox}"))
    with pytest.raises(AccessDeniedError, match="control commands"):
        destinations.destination_lost(AmqpQueue(inbox))

    assert sqs.calls == []


def test_a_lost_queue_is_looked_for_and_made(bench: Bench, sqs: MemorySqs) -> None:
    destinations = DirectoryDestinations(bench.directory)
    known = bench.directory.address(QUEUE).url
    sqs.delete_queue(known)
    bench.clock.advance(60)

    service, url = destinations.destination_lost(QUEUE)

    assert (service, url) == (sqs, known)
    assert sqs.queue_url(QueueName("celery")) == known


def test_a_lost_queue_that_may_not_be_made_is_an_error(
    clock: FakeClock, sqs: MemorySqs, tables: MemoryTableService
) -> None:
    made = Bench(clock, sqs, tables, create_missing_queues=False)

    with pytest.raises(QueueNotFoundError):
        DirectoryDestinations(made.directory).destination_lost(QUEUE)


def test_a_predefined_queue_is_reached_with_credentials_of_its_own(
    clock: FakeClock,
) -> None:
    url = QueueUrl("https://sqs.eu-west-1.amazonaws.com/1/mine")
    elsewhere = QueueUrl("https://sqs.eu-west-1.amazonaws.com/2/theirs")
    own, of_broker = MemorySqs(clock), MemorySqs(clock)
    keys = {"access_key_id": "AKIAOWN", "secret_access_key": "secret"}
    options = parse_broker_options({"predefined_queues": {"celery": {"url": url, **keys}}})
    directory = QueueDirectory(
        options,
        Access(region="eu-west-1"),
        lambda access: of_broker if access.credentials is None else own,
        clock,
    )
    destinations = DirectoryDestinations(directory)

    assert destinations.destination(QUEUE, url) == (own, url)
    # Whoever shares the table may give the same name to another queue.
    assert destinations.destination(QUEUE, elsewhere) == (of_broker, elsewhere)


def test_a_predefined_queue_that_is_lost_is_where_it_is_predefined_now(
    clock: FakeClock, sqs: MemorySqs, tables: MemoryTableService
) -> None:
    url = "https://sqs.eu-west-1.amazonaws.com/1/new"
    made = Bench(clock, sqs, tables, predefined_queues={"celery": {"url": url}})

    assert DirectoryDestinations(made.directory).destination_lost(QUEUE) == (sqs, url)


def test_the_coordination_of_a_process_is_one(
    clock: FakeClock, sqs: MemorySqs, tables: MemoryTableService
) -> None:
    def services(_: Access) -> MemoryTableService:
        return tables

    def made(**options: Any) -> Coordination | None:
        access = Access(region="eu-west-1")
        return coordination(parse_broker_options(options), access, services, clock)

    assert made() is made()
    assert made(queue_name_prefix="a-") is not made()
    one = made(queue_name_prefix="shop/")
    assert one is not None
    assert one.table.name == "shop-celery-coordination"
    long = made(queue_name_prefix="x" * 300)
    assert long is not None
    assert len(long.table.name) == 255
    named = made(coordination_table="mine", create_coordination_table=False)
    assert named is not None
    assert (named.table.name, named.table.creates) == ("mine", False)
