"""Transient queues through a kombu connection: every verb, in one process."""

from collections.abc import Iterator
from typing import Any

import pytest
from amqp.exceptions import NotFound
from kombu import Connection
from kombu.asynchronous import Hub

from tests.unit.broker.conftest import PATIENCE_SECONDS
from tests.unit.broker.processes import Processes, eventually
from tests.unit.broker.reading import Reader, publish, transient


@pytest.fixture
def ours(processes: Processes) -> Connection:
    return processes()


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.close()


class TestVerbs:
    """In one process, on a queue that nobody else can see."""

    def test_a_declaration_asks_aws_nothing(self, ours: Connection, processes: Processes) -> None:
        ours.default_channel.queue_declare("paper", exclusive=True)

        # But for the proof that it is reachable.
        assert [call.operation for call in processes.sqs.calls] == ["GetQueueUrl"]
        assert not processes.tables.requests

    @pytest.mark.parametrize(
        "how",
        [
            {"exclusive": True},
            {"auto_delete": True, "arguments": {"x-expires": 10_000}},
            {"exclusive": True, "arguments": {"x-max-priority": 10}},
        ],
    )
    def test_a_passive_declaration_counts(self, ours: Connection, how: dict[str, Any]) -> None:
        channel = ours.default_channel
        channel.queue_declare("paper", **how)
        publish(ours, 1, 2, exchange="", key="paper")

        declared = channel.queue_declare("paper", passive=True)

        assert (declared.queue, declared.message_count, declared.consumer_count) == ("paper", 2, 0)
        reader = Reader(ours, transient(exchange=None))
        assert reader.read(2) == [1, 2]
        assert channel.queue_declare("paper", passive=True).consumer_count == 1

    def test_a_passive_declaration_of_none_is_not_found(self, ours: Connection) -> None:
        with pytest.raises(NotFound):
            ours.default_channel.queue_declare("paper", passive=True)

    def test_a_queue_without_a_name_gets_one(self, ours: Connection) -> None:
        name = ours.default_channel.queue_declare("", exclusive=True).queue

        assert name.startswith("amq.gen-")
        assert ours.default_channel.queue_declare(name, passive=True).message_count == 0

    def test_purging_tells_how_many(self, ours: Connection) -> None:
        ours.default_channel.queue_declare("paper", exclusive=True)
        publish(ours, 1, 2, exchange="", key="paper")

        assert ours.default_channel.queue_purge("paper") == 2
        assert ours.default_channel.queue_declare("paper", passive=True).message_count == 0

    def test_a_deleted_queue_is_gone(self, ours: Connection, processes: Processes) -> None:
        transient()(ours.default_channel).declare()
        publish(ours, 1)

        ours.default_channel.queue_delete("paper")

        with pytest.raises(NotFound):
            ours.default_channel.queue_declare("paper", passive=True)
        assert eventually(lambda: processes.items("binding") == [])
        assert processes.created() == []

    def test_one_with_messages_is_kept_if_asked_to(self, ours: Connection) -> None:
        ours.default_channel.queue_declare("paper", exclusive=True)
        publish(ours, 1, exchange="", key="paper")

        ours.default_channel.queue_delete("paper", if_empty=True)

        assert ours.default_channel.queue_declare("paper", passive=True).message_count == 1

    def test_one_with_consumers_is_kept_if_asked_to(self, ours: Connection) -> None:
        reader = Reader(ours, transient())

        ours.default_channel.queue_delete("paper", if_unused=True)
        publish(ours, 1)

        assert reader.read() == [1]

    def test_a_queue_of_replies_is_there_without_a_declaration(
        self, ours: Connection, processes: Processes
    ) -> None:
        declared = ours.default_channel.queue_declare("1.reply.celery.pidbox", passive=True)

        assert declared.message_count == 0
        assert processes.created() == []

    def test_a_message_is_got(self, ours: Connection) -> None:
        channel = ours.default_channel
        channel.queue_declare("paper", exclusive=True)
        publish(ours, 1, 2, exchange="", key="paper")

        first, second = (channel.basic_get("paper", no_ack=no_ack) for no_ack in (False, True))

        assert (first.payload, second.payload) == (1, 2)
        assert first.delivery_info["routing_key"] == "paper"
        assert channel.basic_get("paper") is None
        first.requeue()
        assert channel.basic_get("paper").payload == 1

    def test_every_consumer_of_a_queue_gets_messages_in_turn(self, ours: Connection) -> None:
        first, second = (Reader(ours, transient()) for _ in range(2))

        publish(ours, *range(4))

        first.read(2)
        second.read(2)
        assert sorted(first.read() + second.read()) == [0, 1, 2, 3]

    def test_a_queue_goes_with_its_last_consumer(self, ours: Connection) -> None:
        readers = [Reader(ours, transient()) for _ in range(2)]

        readers[0].consumer.cancel()
        publish(ours, 1)
        assert readers[1].read() == [1]
        readers[1].consumer.cancel()

        with pytest.raises(NotFound):
            ours.default_channel.queue_declare("paper", passive=True)

    def test_an_exclusive_queue_goes_with_its_connection(
        self, ours: Connection, processes: Processes
    ) -> None:
        other = processes.again()
        transient()(ours.default_channel).declare()
        other.default_channel.queue_declare("kept", auto_delete=True, arguments={"x-expires": 1e6})

        ours.close()

        with pytest.raises(NotFound):
            other.default_channel.queue_declare("paper", passive=True)
        assert other.default_channel.queue_declare("kept", passive=True)

    def test_a_queue_of_a_connection_is_that_of_its_whole_process(
        self, ours: Connection, processes: Processes
    ) -> None:
        """kombu's pools lend another connection for each publish."""
        reader = Reader(ours, transient())

        publish(processes.again(), 1)

        assert reader.read() == [1]
        assert processes.sqs.count("SendMessage") == 0


class TestSettling:
    @pytest.fixture
    def reader(self, ours: Connection) -> Reader:
        kept = transient(exclusive=False, auto_delete=True, expires=100.0)
        made = Reader(ours, kept)
        publish(ours, 1, 2)
        made.read(2)
        return made

    def size(self, reader: Reader) -> int:
        declared = reader.connection.default_channel.queue_declare("paper", passive=True)
        return int(declared.message_count)

    def test_an_acknowledged_message_is_gone(self, reader: Reader) -> None:
        for message in reader.messages:
            message.ack()

        assert reader.channel.qos.restore_unacked() is None
        assert reader.read() == [1, 2]
        assert self.size(reader) == 0

    def test_a_rejected_one_too(self, reader: Reader, processes: Processes) -> None:
        for message in reader.messages:
            message.reject()
            message.channel.basic_reject("an unknown tag")

        assert self.size(reader) == 0
        assert processes.created() == []

    def test_a_requeued_one_comes_again(self, reader: Reader) -> None:
        reader.messages[0].requeue()

        assert reader.read(3) == [1, 2, 1]

    def test_what_is_not_settled_comes_again_when_its_channel_closes(
        self, reader: Reader, ours: Connection
    ) -> None:
        second = Reader(ours, transient(exclusive=False, expires=100.0))
        reader.messages[0].ack()

        reader.channel.close()

        assert second.read() == [2]

    def test_what_was_not_delivered_comes_again_when_its_consumer_is_cancelled(
        self, reader: Reader, ours: Connection
    ) -> None:
        second = Reader(ours, transient(exclusive=False, expires=100.0))
        publish(ours, 3, 4)

        reader.consumer.cancel()

        assert sorted(second.read(2)) == [3, 4]
        assert reader.read() == [1, 2]

    def test_without_acknowledgements_nothing_is_held(self, ours: Connection) -> None:
        reader = Reader(ours, transient(), no_ack=True, prefetch_count=1)
        publish(ours, *range(5))

        assert reader.read(5) == [0, 1, 2, 3, 4]
        assert reader.channel.qos.can_consume_max_estimate() == 1

    def test_a_body_that_cannot_be_decoded_is_reported(self, ours: Connection) -> None:
        reader = Reader(ours, transient(), no_ack=True)
        problems: list[Any] = []
        reader.consumer.on_message = None
        reader.consumer.callbacks = [lambda body, message: None]
        reader.consumer.on_decode_error = lambda message, error: problems.append(error)

        ours.Producer().publish("{", exchange="news", content_type="application/json")
        ours.drain_events(timeout=PATIENCE_SECONDS)

        assert len(problems) == 1


def test_what_the_loop_is_asked_to_call_is_called_in_the_order_of_messages(
    ours: Connection, hub: Hub
) -> None:
    """Celery defers some commands by ``call_soon``, and a hub's order is that of a set."""
    called: list[int] = []
    reader = Reader(ours, transient(), no_ack=True)
    reader.consumer.on_message = lambda message: hub.call_soon(called.append, message.payload)
    ours.transport.register_with_event_loop(ours.connection, hub)

    publish(ours, *range(50))
    loop = hub.create_loop()
    while len(called) < 50:
        next(loop)

    assert called == list(range(50))
