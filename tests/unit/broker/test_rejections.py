from collections.abc import Iterator
from typing import Any, cast

import pytest

from celery_aws.broker.channel import Channel
from celery_aws.broker.message import Receipt, SqsMessage
from celery_aws.broker.rejections import REDRIVE_POLICY_SECONDS, Rejections
from celery_aws.core.rejection import Fate
from celery_aws.errors import AccessDeniedError
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import Bench, Client, Connect


@pytest.fixture
def bench(clock: FakeClock, sqs: MemorySqs) -> Iterator[Bench]:
    made = Bench(clock, sqs, max_receive_count=0)
    yield made
    made.close()


def message_of(bench: Bench) -> SqsMessage:
    """Receive a message of a task without a name."""
    bench.send("task")
    receipt: Receipt = bench.receive(1)[0]
    payload: dict[str, Any] = {"properties": {"delivery_tag": "1", "delivery_info": {}}}
    return SqsMessage(payload, receipt=receipt)


def rejections(bench: Bench) -> Rejections:
    return Rejections(bench.directory, bench.clock)


def asked(bench: Bench) -> int:
    return bench.sqs.count("GetQueueAttributes")


def test_whether_there_are_dead_letters_is_asked_once_in_five_minutes(bench: Bench) -> None:
    decided = rejections(bench)
    message = message_of(bench)

    assert decided.decide(message, requeue=False).fate is Fate.DELETE
    assert decided.decide(message, requeue=False).fate is Fate.DELETE
    assert asked(bench) == 1

    bench.clock.advance(REDRIVE_POLICY_SECONDS)
    decided.decide(message, requeue=False)
    assert asked(bench) == 2


def test_a_requeue_asks_nothing(bench: Bench) -> None:
    assert rejections(bench).decide(message_of(bench), requeue=True).fate is Fate.GIVE_BACK
    assert asked(bench) == 0


def test_not_knowing_it_leaves_the_message(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    message = message_of(bench)
    bench.sqs.faults.fail("GetQueueAttributes", AccessDeniedError("not for you"))

    assert rejections(bench).decide(message, requeue=False).fate is Fate.LEAVE
    assert "not for you" in caplog.text


def test_a_queue_with_dead_letters_keeps_what_is_rejected(bench: Bench) -> None:
    bench = Bench(bench.clock, bench.sqs)
    try:
        assert rejections(bench).decide(message_of(bench), requeue=False).fate is Fate.LEAVE
    finally:
        bench.close()


def test_the_channel_does_as_decided(connect: Connect, sqs: MemorySqs, clock: FakeClock) -> None:
    client = Client(connect(max_receive_count=0), sqs, clock)
    client.publish()
    client.consume()
    client.drain()
    channel = cast("Channel", client.channel)

    channel.basic_reject(client.messages[0].delivery_tag)
    channel.basic_reject(client.messages[0].delivery_tag)
    channel.basic_reject("an unknown tag")

    client.settled()
    assert client.kept() == 0
