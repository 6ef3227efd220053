import pytest
from kombu import Connection
from kombu import exceptions as kombu_errors
from kombu.transport import virtual

from celery_aws.broker import Transport
from celery_aws.broker.producer_batch import ProducerBatch
from celery_aws.errors import BatchPublishError, ThrottledError
from celery_aws.testing import MemorySqs
from tests.unit.broker.conftest import NAME, Client

KNOWN = "batch_publish" in virtual.Transport.implements
needs_batches = pytest.mark.skipif(not KNOWN, reason="this kombu has no batches of publishes")


@pytest.fixture
def batch(client: Client) -> ProducerBatch:
    client.publish("first")
    client.sqs.calls.clear()
    made: ProducerBatch = client.channel.create_publish_batch(max_size=20)
    return made


def publish(batch: ProducerBatch, count: int) -> None:
    for number in range(count):
        message = batch.channel.prepare_message(f"{number}", 0, "text/plain", "utf-8", {}, {})
        batch.publish(message, exchange="", routing_key="celery")


def sends(sqs: MemorySqs) -> list[int]:
    return [call.entries for call in sqs.calls if call.operation == "SendMessageBatch"]


def test_nothing_goes_before_it_is_flushed(batch: ProducerBatch, sqs: MemorySqs) -> None:
    publish(batch, 12)
    assert sqs.calls == []
    batch.flush()
    assert sorted(sends(sqs)) == [2, 10]
    batch.close()


def test_a_full_one_is_flushed(batch: ProducerBatch, sqs: MemorySqs) -> None:
    publish(batch, 21)
    assert sends(sqs) == [10, 10]
    batch.close()


def test_what_is_discarded_does_not_go(batch: ProducerBatch, sqs: MemorySqs) -> None:
    publish(batch, 2)
    batch.discard()
    batch.close()
    assert sqs.calls == []
    with pytest.raises(RuntimeError, match="aborted"):
        publish(batch, 1)


def test_after_a_failure_it_is_over(batch: ProducerBatch, sqs: MemorySqs) -> None:
    error = ThrottledError("slower", service="sqs", operation="SendMessageBatch")
    sqs.faults.fail("SendMessageBatch", error, times=3)
    publish(batch, 1)
    with pytest.raises(BatchPublishError) as raised:
        batch.flush()
    assert len(raised.value.not_sent) == 1
    with pytest.raises(RuntimeError, match="failed"):
        batch.flush()
    batch.close()


def test_our_transport_says_so_where_kombu_asks() -> None:
    assert Transport.implements.get("batch_publish", False) is KNOWN


@needs_batches
def test_kombus_producer_uses_it(client: Client) -> None:
    producer = client.connection.Producer(client.channel)
    assert producer.supports_batch_publish
    with producer.batch():
        for number in range(3):
            producer.publish(number, routing_key="celery")
        assert client.kept() == 0
    assert sends(client.sqs) == [3]

    def fails() -> None:
        with producer.batch():
            producer.publish(4, routing_key="celery")
            raise LookupError

    with pytest.raises(LookupError):
        fails()
    assert client.kept(NAME) == 3


@needs_batches
def test_its_error_is_kombus(client: Client) -> None:
    assert issubclass(BatchPublishError, kombu_errors.BatchPublishError)
    assert isinstance(client.connection, Connection)
