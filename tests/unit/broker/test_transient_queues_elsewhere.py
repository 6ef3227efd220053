"""Transient queues through kombu connections of several processes."""

from contextlib import suppress

import pytest
from kombu import Connection, Exchange

from tests.unit.broker.processes import Processes, eventually
from tests.unit.broker.reading import Reader, publish, transient

SUCCESS = {"status": "SUCCESS", "result": 1}


@pytest.fixture
def ours(processes: Processes) -> Connection:
    return processes()


@pytest.fixture
def theirs(ours: Connection, processes: Processes) -> Connection:
    return processes()


def test_a_fanout_reaches_every_process_and_each_queue_once(
    ours: Connection, theirs: Connection, processes: Processes
) -> None:
    readers = [
        Reader(connection, transient(name))
        for connection, name in ((ours, "paper"), (ours, "radio"), (theirs, "paper"))
    ]

    before = processes.sqs.count("SendMessage")

    publish(processes(), 1, 2)

    assert [reader.read(2) for reader in readers] == [[1, 2]] * 3
    assert processes.sqs.count("SendMessage") == before + 4  # two for each process


def test_a_topic_reaches_those_whose_key_matches(
    ours: Connection, theirs: Connection, processes: Processes
) -> None:
    topic = Exchange("talk", type="topic")
    wanted = Reader(ours, transient(exchange=topic, routing_key="worker.#"))
    other = Reader(theirs, transient(exchange=topic, routing_key="task.*"))

    sender = processes()
    sender.Producer().publish(1, exchange=topic, routing_key="worker.online", declare=[topic])
    sender.Producer().publish(2, exchange=topic, routing_key="task.sent")

    assert (wanted.read(), other.read()) == ([1], [2])


def test_a_direct_exchange_gives_one_of_a_name_the_message(
    ours: Connection, theirs: Connection, processes: Processes
) -> None:
    post = Exchange("post", type="direct")
    readers = [Reader(each, transient(exchange=post, routing_key="box")) for each in (ours, theirs)]
    sender = processes()

    for number in range(20):
        sender.Producer().publish(number, exchange=post, routing_key="box", declare=[post])

    def drained() -> bool:
        for reader in readers:
            with suppress(TimeoutError):
                reader.connection.drain_events(timeout=0.01)
        return sum(len(reader.messages) for reader in readers) == 20

    assert eventually(drained)
    assert all(reader.messages for reader in readers)


def test_a_queue_is_found_by_its_name(
    ours: Connection, theirs: Connection, processes: Processes
) -> None:
    """As ``rpc://`` does: its results go to the default exchange."""
    reader = Reader(ours, transient("results", exchange=None))

    publish(theirs, 1, 2, exchange="", key="results")

    assert reader.read(2) == [1, 2]
    assert processes.created() == []


def test_a_task_tells_the_queue_for_its_reply(
    ours: Connection, theirs: Connection, processes: Processes
) -> None:
    """The client consumes its queue only when somebody asks for the result."""
    ours.default_channel.queue_declare("results", auto_delete=True, arguments={"x-expires": 9e6})
    producer = ours.Producer()
    producer.publish("task", routing_key="celery", reply_to="results", correlation_id="1")

    publish_result(theirs, "results")

    assert Reader(ours, transient("results", exchange=None)).read() == [SUCCESS]
    assert processes.created() == ["celery"]


def test_the_result_of_a_client_that_is_gone_is_dropped(
    ours: Connection, theirs: Connection, processes: Processes
) -> None:
    Reader(ours, transient("results", exchange=None))
    publish_result(theirs, "results")

    processes.end(ours)
    publish_result(theirs, "results")
    publish_result(theirs, "never-there")

    assert processes.created() == []


def test_what_is_no_result_makes_a_queue_where_there_is_none(
    theirs: Connection, processes: Processes
) -> None:
    publish(theirs, 1, exchange="", key="somewhere")

    assert processes.created() == ["somewhere"]


def test_nobody_bound_costs_one_look(theirs: Connection, processes: Processes) -> None:
    before = len(processes.sqs.calls)
    publish(theirs, 1, 2, 3)

    assert processes.tables.requests == {"Query": 1}
    assert {call.operation for call in processes.sqs.calls[before:]} <= {"GetQueueUrl"}


def test_an_unbound_queue_gets_nothing_more(
    ours: Connection, theirs: Connection, processes: Processes
) -> None:
    reader = Reader(ours, transient())
    publish(theirs, 1)
    assert reader.read() == [1]

    reader.channel.queue_unbind("paper", "news", "")
    assert eventually(lambda: processes.items("binding") == [])
    publish(processes(), 2)

    assert reader.has_only(1)


def test_a_process_that_ends_leaves_nothing(
    ours: Connection, theirs: Connection, processes: Processes
) -> None:
    Reader(ours, transient())
    Reader(ours, transient("results", exchange=None))
    assert len(processes.items("inbox")) == 1

    processes.end(ours)

    assert processes.items("binding") == processes.items("inbox") == []
    publish(theirs, 1)
    assert processes.sqs.count("SendMessage") == 0


def publish_result(connection: Connection, queue: str) -> None:
    """Publish as ``rpc://`` does."""
    connection.Producer().publish(SUCCESS, exchange="", routing_key=queue, correlation_id="1")
