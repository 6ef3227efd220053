"""What is published to an exchange by name arrives, or somebody is told."""

import pytest
from kombu import Connection, Exchange, Producer, Queue

from celery_aws.control.control_plane import OUTAGE_SECONDS
from celery_aws.errors import UnreachableError
from celery_aws.names import QueueName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import Connect
from tests.unit.broker.listening import Listener

MEDIA = Exchange("media", type="topic", delivery_mode="transient")
VIDEOS = Queue("videos", MEDIA, routing_key="video.#")


@pytest.fixture
def connection(connect: Connect, tables: MemoryTableService) -> Connection:
    return connect(coordination_table="coordination")


def test_a_task_that_need_not_survive_is_no_event(
    connection: Connection, sqs: MemorySqs, tables: MemoryTableService
) -> None:
    """An event may be dropped, as while nobody can tell who is bound."""
    channel = connection.default_channel
    VIDEOS(channel).declare()
    tables.fail_next("Query", UnreachableError("no route"))

    Producer(channel, MEDIA).publish(
        [[], {}, {}], routing_key="video.cut", headers={"task": "cut", "id": "1"}
    )

    assert len(sqs.messages(QueueName("videos"))) == 1


def test_what_nobody_is_bound_for_goes_to_the_queue_that_kombu_is_told_of(
    connect: Connect, sqs: MemorySqs
) -> None:
    """The option ``deadletter_queue`` of all its virtual transports."""
    connection = connect(coordination_table="coordination", deadletter_queue="unrouted")

    connection.Producer().publish([], exchange=Exchange("media"), routing_key="audio")

    assert len(sqs.messages(QueueName("unrouted"))) == 1


def test_a_broadcast_task_that_is_published_again_is_one_task(
    connection: Connection, sqs: MemorySqs, tables: MemoryTableService, clock: FakeClock
) -> None:
    """kombu publishes again for all when one of several workers could not be reached."""
    listeners = [Listener(sqs, tables, clock, name) for name in "ab"]
    for listener in listeners:
        listener.bind("bcast.1", "all", "fanout")
    sqs.faults.lose_reply("SendMessage")

    connection.Producer().publish(
        [], exchange=Exchange("all", type="fanout"), headers={"task": "t"}, retry=True
    )

    assert [listener.heard() for listener in listeners] == [["[]"], ["[]"]]
    assert sqs.count("SendMessage") == 4


def test_a_table_that_cannot_be_asked_is_left_alone_where_it_can_be_done_without(
    connection: Connection, sqs: MemorySqs, tables: MemoryTableService
) -> None:
    """Without a way to DynamoDB each question is half a minute, for each queue and each task."""
    channel = connection.default_channel
    for _ in range(10):
        tables.fail_next("Query", UnreachableError("no route"))
    for name in ("videos", "pictures"):
        # In another channel each, as of a pool.
        Queue(name, MEDIA, routing_key=f"{name}.#")(connection.channel()).declare()

    for _ in range(3):
        Producer(channel, MEDIA).publish([], routing_key="videos.cut", delivery_mode=2)

    assert len(sqs.messages(QueueName("videos"))) == 3
    assert tables.requests["Query"] == 1


def test_the_table_is_asked_again_after_a_while(
    connection: Connection, sqs: MemorySqs, tables: MemoryTableService, clock: FakeClock
) -> None:
    channel = connection.default_channel
    tables.fail_next("Query", UnreachableError("no route"))
    VIDEOS(channel).declare()
    listener = Listener(sqs, tables, clock)
    listener.bind("all", "media", "topic", "#")
    clock.advance(OUTAGE_SECONDS)

    Producer(channel, MEDIA).publish([], routing_key="video.cut", delivery_mode=2)

    assert len(sqs.messages(QueueName("videos"))) == len(listener.heard()) == 1
