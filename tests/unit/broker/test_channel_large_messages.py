"""Large messages from publish to acknowledgement, on SQS and S3 in memory."""

from typing import Any

import pytest
from kombu import Consumer
from kombu.exceptions import OperationalError

from celery_aws.core.large_messages import dump_pointer
from celery_aws.core.messages import S3Pointer
from celery_aws.errors import ObjectNotFoundError, UnreachableError
from celery_aws.names import BucketName, ObjectKey
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_s3 import MemoryS3
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import BUCKET, PATIENCE_SECONDS, TASKS, Client, Connect

BIG = ["x" * 1_100_000]


@pytest.fixture
def client(connect: Connect, sqs: MemorySqs, clock: FakeClock) -> Client:
    return Client(connect(large_message_bucket=BUCKET), sqs, clock)


@pytest.fixture
def delivered(client: Client) -> Any:
    client.publish(BIG)
    client.consume()
    client.drain()
    return client.messages[0]


def test_it_arrives_whole(client: Client, delivered: Any, s3: MemoryS3) -> None:
    assert delivered.payload == BIG
    assert len(s3.objects(BUCKET)) == 1
    assert "s3" not in str(delivered.properties).lower()


def test_its_object_goes_when_sqs_has_deleted_it(
    client: Client, delivered: Any, s3: MemoryS3
) -> None:
    delivered.ack()
    client.settled()

    assert (client.kept(), s3.objects(BUCKET)) == (0, {})


def test_its_object_stays_while_sqs_has_not_deleted_it(
    client: Client, delivered: Any, s3: MemoryS3
) -> None:
    client.sqs.faults.refuse_entries("DeleteMessageBatch", sender_fault=True)

    delivered.ack()
    client.settled()

    assert (client.kept(), len(s3.objects(BUCKET))) == (1, 1)


def test_its_object_stays_when_it_is_given_back(
    client: Client, delivered: Any, s3: MemoryS3
) -> None:
    delivered.requeue()
    client.drain(2)

    assert client.messages[1].payload == BIG
    assert len(s3.objects(BUCKET)) == 1


def test_its_object_stays_when_it_is_left_for_the_dead_letter_queue(
    connect: Connect, sqs: MemorySqs, s3: MemoryS3, clock: FakeClock
) -> None:
    client = Client(connect(large_message_bucket=BUCKET), sqs, clock)
    client.publish(BIG)
    client.consume()
    client.drain()

    client.messages[0].reject()
    client.settled()

    assert (client.kept(), len(s3.objects(BUCKET))) == (1, 1)


def test_without_acknowledgements_it_goes_on_delivery(client: Client, s3: MemoryS3) -> None:
    client.publish(BIG)
    client.consume(no_ack=True)

    client.drain()
    client.settled()

    assert client.messages[0].payload == BIG
    assert (client.kept(), s3.objects(BUCKET)) == (0, {})


def test_a_missing_object_is_a_message_that_cannot_be_decoded(client: Client, s3: MemoryS3) -> None:
    client.publish(BIG)
    s3.delete_batch(BUCKET, list(s3.objects(BUCKET)))
    problems: list[tuple[Any, Exception]] = []
    consumer = Consumer(
        client.channel,
        [TASKS],
        on_message=client.messages.append,
        on_decode_error=lambda message, error: problems.append((message, error)),
    )
    consumer.consume()

    client.connection.drain_events(timeout=PATIENCE_SECONDS)

    ((_, error),) = problems
    assert isinstance(error, ObjectNotFoundError)
    assert "lifecycle rule" in str(error)
    assert client.messages == []


def test_while_s3_does_not_answer_the_worker_goes_on(client: Client, s3: MemoryS3) -> None:
    s3.faults.fail("GetObject", UnreachableError("no route"))
    client.publish(BIG)
    client.publish("small")
    client.consume(prefetch_count=2)

    client.drain(1)
    assert client.messages[0].payload == "small"
    client.settled()
    client.clock.advance(5)
    client.drain(2)

    assert client.messages[1].payload == BIG
    assert client.channel.qos.can_consume_max_estimate() == 0


def test_a_get_finds_it_too(client: Client, s3: MemoryS3) -> None:
    client.publish(BIG)

    message = client.channel.basic_get("celery")

    assert message.payload == BIG
    message.ack()
    client.settled()
    assert s3.objects(BUCKET) == {}


def test_a_get_gives_back_what_cannot_be_read_now(client: Client, s3: MemoryS3) -> None:
    client.publish(BIG)
    s3.faults.fail("GetObject", UnreachableError("no route"))

    assert client.channel.basic_get("celery") is None

    client.settled()
    client.clock.advance(5)
    assert client.channel.basic_get("celery").payload == BIG


def test_a_consumer_without_the_bucket_leaves_it_to_others(
    client: Client, connect: Connect, sqs: MemorySqs, clock: FakeClock
) -> None:
    client.publish(BIG)
    other = Client(connect(), sqs, clock)

    assert other.channel.basic_get("celery") is None
    other.settled()

    clock.advance(5)
    assert client.channel.basic_get("celery").payload == BIG


def test_no_message_makes_it_delete_elsewhere(client: Client, s3: MemoryS3) -> None:
    s3.put(BUCKET, ObjectKey("k"), b"[1]")
    client.raw(dump_pointer(S3Pointer(bucket=BucketName("elsewhere"), key=ObjectKey("k"))))

    assert client.channel.basic_get("celery") is None

    client.settled()
    assert (client.kept(), len(s3.objects(BUCKET))) == (1, 1)


POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0}


def test_an_s3_that_does_not_answer_is_tried_again(client: Client, s3: MemoryS3) -> None:
    s3.faults.fail("PutObject", UnreachableError("no route"))

    client.publish(BIG, retry=True, retry_policy=POLICY)

    assert (client.kept(), len(s3.objects(BUCKET))) == (1, 1)


def test_an_s3_that_stays_away_is_an_operational_error(client: Client, s3: MemoryS3) -> None:
    s3.faults.fail("PutObject", UnreachableError("no route"), times=2)

    with pytest.raises(OperationalError, match="no route"):
        client.publish(BIG, retry=True, retry_policy=POLICY)

    assert client.kept() == 0
