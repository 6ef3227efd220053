"""What the channel publishes, and the bodies that it reads, on SQS in memory."""

import base64
import json
from typing import Any

import pytest
from kombu import Consumer, Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.transport.virtual import Channel as VirtualChannel

from celery_aws.errors import (
    AccessDeniedError,
    MessageTooLargeError,
    QueueNotFoundError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.names import QueueName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import NAME, PATIENCE_SECONDS, TASKS, Client, Connect

FIFO = QueueName("orders.fifo")


class TestBodies:
    def test_a_body_that_cannot_be_decoded_arrives_with_its_error(
        self, connect: Connect, sqs: MemorySqs, clock: FakeClock
    ) -> None:
        client = Client(connect(max_receive_count=0), sqs, clock)
        properties = {"body_encoding": "rot13", "delivery_info": {}}
        client.raw(json.dumps({"body": "x", "properties": properties}))
        problems: list[tuple[Any, Exception]] = []
        consumer = Consumer(
            client.channel,
            [TASKS],
            on_message=client.messages.append,
            on_decode_error=lambda message, error: problems.append((message, error)),
        )
        consumer.consume()

        client.connection.drain_events(timeout=PATIENCE_SECONDS)

        ((message, error),) = problems
        assert "rot13" in str(error)
        message.ack()
        client.settled()
        assert client.kept() == 0

    @pytest.mark.parametrize(
        "body",
        ['{"detail": 1}', "plain text", '{"__type__": "uuid", "__value__": 1}', "[" * 50_000],
    )
    def test_foreign_text_is_delivered_as_it_is(self, client: Client, body: str) -> None:
        client.raw(body)
        client.consume()

        client.drain()

        (message,) = client.messages
        assert message.body.decode() == body
        assert (message.headers, message.content_type) == ({}, None)

    def test_a_bare_text_is_published(self, client: Client) -> None:
        client.channel.queue_declare("celery")
        client.channel.basic_publish("as celery amqp has it", exchange="", routing_key="celery")
        client.consume()

        client.drain()

        (message,) = client.messages
        assert message.body == b"as celery amqp has it"
        assert message.delivery_info["routing_key"] == "celery"

    def test_both_stock_forms_are_delivered(self, client: Client) -> None:
        encoded = VirtualChannel.codecs["base64"].encode("[1]")
        stock = json.dumps(
            {
                "body": encoded,
                "content-type": "application/json",
                "content-encoding": "utf-8",
                "headers": {},
                "properties": {"body_encoding": "base64", "delivery_info": {}},
            }
        )
        client.raw(stock)
        client.raw(base64.b64encode(stock.encode()).decode())
        client.consume()

        client.drain(2)

        assert [message.payload for message in client.messages] == [[1], [1]]

    @pytest.mark.parametrize("as_base64", [False, True])
    def test_it_is_written_once_encoded_or_as_stock_does(
        self, connect: Connect, sqs: MemorySqs, clock: FakeClock, as_base64: bool
    ) -> None:
        Client(connect(sqs_base64_encoding=as_base64), sqs, clock).publish([1])

        (message,) = sqs.messages(NAME)
        text = base64.b64decode(message.body).decode() if as_base64 else message.body

        assert json.loads(text)["body"] == "[1]"

    def test_a_large_body_is_compressed_if_that_is_wanted(
        self, connect: Connect, sqs: MemorySqs, clock: FakeClock
    ) -> None:
        client = Client(connect(compression="gzip"), sqs, clock)
        client.publish(["x" * 60_000])
        client.publish(["x" * 70_000])

        plain, small = (message.body for message in sqs.messages(NAME))
        assert len(plain) > 60_000
        assert len(small) < 1_000
        client.consume()
        client.drain(2)
        assert [len(message.payload[0]) for message in client.messages] == [60_000, 70_000]

    def test_a_compressed_body_may_be_published_again(
        self, connect: Connect, sqs: MemorySqs, clock: FakeClock
    ) -> None:
        """kombu prepares each attempt anew, from the same headers."""
        sqs.faults.fail("SendMessage", UnreachableError("no route"))
        client = Client(connect(compression="gzip"), sqs, clock)
        headers = {"task": "t"}

        policy = {"max_retries": 3, "interval_start": 0}
        client.publish(["x" * 70_000], headers=headers, retry=True, retry_policy=policy)

        assert headers == {"task": "t"}
        reader = Client(connect(), sqs, clock)
        reader.consume()
        reader.drain()
        assert reader.messages[0].payload == ["x" * 70_000]

    @pytest.mark.parametrize("options", [{"serializer": "pickle"}, {"compression": "gzip"}])
    def test_binary_bodies_pass(self, client: Client, options: dict[str, str]) -> None:
        client.publish([1, 2], **options)
        client.consume()

        client.drain()

        client.messages[0].accept = {"application/json", "application/x-python-serialize"}
        assert client.messages[0].decode() == [1, 2]

    def test_a_large_message_is_refused_before_anything_is_sent(self, client: Client) -> None:
        with pytest.raises(MessageTooLargeError, match="S3"):
            client.publish("x" * 1_100_000)

        assert client.sqs.count("SendMessage") == 0


class TestPublishing:
    def test_a_delay_goes_to_sqs(self, client: Client) -> None:
        client.publish(delay_seconds=60)
        assert client.visible() == 0

        client.clock.advance(60)

        assert client.visible() == 1

    def test_a_fifo_queue_gets_group_and_deduplication(self, client: Client) -> None:
        for deduplication_id in ("1", "1", "2"):
            client.publish(queue=FIFO, MessageGroupId="g", MessageDeduplicationId=deduplication_id)

        assert [message.group for message in client.sqs.messages(FIFO)] == ["g", "g"]

    def test_a_topic_exchange_reaches_its_queues(self, client: Client) -> None:
        topic = Exchange("events", type="topic")
        for name, key in (("all", "#"), ("some", "order.*"), ("none", "user.*")):
            Queue(name, topic, routing_key=key)(client.channel).declare()

        client.publish(queue="order.new", exchange="events")

        counts = [client.kept(QueueName(name)) for name in ("all", "some", "none")]
        assert counts == [1, 1, 0]

    def test_a_queue_that_is_not_ready_yet_is_tried_again(self, client: Client) -> None:
        client.sqs.faults.fail("SendMessage", QueueNotFoundError("not yet"), times=2)

        client.publish()

        assert client.kept() == 1
        assert client.clock.sleeps == [0.5, 1.0]

    def test_a_queue_that_stays_away_is_an_error(self, client: Client) -> None:
        client.sqs.faults.fail("SendMessage", QueueNotFoundError("gone"), times=4)

        with pytest.raises(QueueNotFoundError):
            client.publish()

    def test_a_temporary_error_is_tried_again(self, client: Client) -> None:
        client.sqs.faults.fail("SendMessage", UnreachableError("no route"))

        client.publish(retry=True, retry_policy={"max_retries": 3, "interval_start": 0})

        assert client.kept() == 1

    def test_a_temporary_error_that_stays_is_an_operational_error(self, client: Client) -> None:
        client.sqs.faults.fail("SendMessage", ThrottledError("slow down"), times=3)

        with pytest.raises(OperationalError, match="slow down"):
            client.publish(
                retry=True,
                retry_policy={"max_retries": 2, "interval_start": 0, "interval_step": 0},
            )

    def test_another_refusal_is_not_tried_again(self, client: Client) -> None:
        client.sqs.faults.fail("SendMessage", AccessDeniedError("not allowed"))

        with pytest.raises(AccessDeniedError):
            client.publish(retry=True)

        assert client.sqs.count("SendMessage") == 1


def test_connections_of_a_pool_share_what_they_know(
    connect: Connect, sqs: MemorySqs, clock: FakeClock
) -> None:
    pool = connect().Pool(limit=3)
    taken = [pool.acquire(block=True) for _ in range(3)]

    for connection in taken:
        Client(connection, sqs, clock).publish()
    for connection in taken:
        connection.release()
    pool.force_close_all()

    assert len(sqs.messages(NAME)) == 3
    assert sqs.count("GetQueueUrl") <= 2  # the proof, and the queue that was missing then
