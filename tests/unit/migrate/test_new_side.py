"""What the new side is, asked of doubles of SQS."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from kombu import pools

from celery_aws.broker import Transport
from celery_aws.core.queue_facts import QueueFacts
from celery_aws.errors import AccessDeniedError, ConfigurationError
from celery_aws.migrate.new_side import NewSide, read_new_side, strictest
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs

URL = "aws+sqs://KEY:SECRET@localhost:1"


@pytest.fixture
def sqs(bare_environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    clock = FakeClock()
    double = MemorySqs(clock)
    monkeypatch.setattr(Transport, "services", staticmethod(lambda _: double))
    monkeypatch.setattr(Transport, "clock", clock)
    yield double
    double.close()
    pools.reset()


def side(*queues: str, broker: str = URL, **options: Any) -> NewSide:
    app = Celery("shop", set_as_current=False, broker=broker, backend="disabled")
    app.conf.broker_transport_options = {"region": "eu-west-1", **options}
    app.conf.task_routes = {"shop.mail": {"queue": "mail"}}
    try:
        return read_new_side(app, map(AmqpQueue, queues))
    finally:
        app.close()


def make(sqs: MemorySqs, name: str, **attributes: str) -> None:
    sqs.create_queue(QueueName(name), attributes, {})


def test_a_queue_that_is_there_says_what_it_takes(sqs: MemorySqs) -> None:
    make(sqs, "shop-mail", MaximumMessageSize="262144", MessageRetentionPeriod="3600")
    found = side("mail", queue_name_prefix="shop-").queues[AmqpQueue("mail")]
    assert found.exists
    assert found.named
    assert list(found.names.values()) == ["shop-mail"]
    assert found.facts == QueueFacts(max_message_bytes=262_144, retention_seconds=3_600)


def test_a_queue_that_is_missing_is_not_created(sqs: MemorySqs) -> None:
    found = side("mail", "attic").queues
    assert found[AmqpQueue("mail")].missing == ("mail",)
    assert found[AmqpQueue("mail")].named
    assert not found[AmqpQueue("attic")].named
    assert sqs.count("CreateQueue") == 0


def test_each_priority_is_looked_for(sqs: MemorySqs) -> None:
    make(sqs, "mail", MessageRetentionPeriod="7200")
    found = side("mail", priority_steps=[0, 5]).queues[AmqpQueue("mail")]
    assert list(found.names.values()) == ["mail", "mail-priority-5"]
    assert found.missing == ("mail-priority-5",)
    assert found.facts is not None
    assert found.facts.retention_seconds == 7_200


def test_a_queue_that_cannot_be_is_told(sqs: MemorySqs) -> None:
    predefined = {"mail": {"url": "https://localhost:1/1/mail"}}
    make(sqs, "mail")
    found = side("attic", predefined_queues=predefined)
    assert "not among the predefined queues" in (found.queues[AmqpQueue("attic")].problem or "")
    assert not found.creates_queues
    named = side("a" * 90).queues[AmqpQueue("a" * 90)]
    assert named.problem is not None


def test_a_queue_that_may_not_be_seen_is_told(
    sqs: MemorySqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: QueueName, **_: Any) -> Any:
        raise AccessDeniedError("no", service="sqs", resource=name)

    monkeypatch.setattr(sqs, "queue_url", refuse)
    found = side("mail").queues[AmqpQueue("mail")]
    assert (found.unseen, found.missing, found.facts) == (("mail",), (), None)


def test_what_the_options_say(sqs: MemorySqs) -> None:
    found = side()
    assert (found.region, found.creates_queues, found.parks) == ("eu-west-1", True, True)
    assert (found.bucket, found.results, found.reads_both) == (None, None, False)
    other = side(
        create_missing_queues=False, coordination_table=False, large_message_bucket="bodies"
    )
    assert (other.creates_queues, other.parks, other.deduplicates) == (False, False, False)
    assert other.bucket == "bodies"


def test_in_the_middle_of_a_cutover_the_side_that_is_written_to_counts(sqs: MemorySqs) -> None:
    with Celery("shop", set_as_current=False, backend="disabled") as app:
        app.conf.update(broker_read_url="memory://", broker_write_url=URL)
        app.conf.broker_transport_options = {"region": "eu-west-1"}
        assert read_new_side(app, [AmqpQueue("celery")]).region == "eu-west-1"


def test_the_app_has_to_be_the_new_one(sqs: MemorySqs) -> None:
    with pytest.raises(ConfigurationError, match=r"the app \(-A\) is the new one"):
        side("mail", broker="memory://")


def test_the_strictest_of_some_queues_counts() -> None:
    assert strictest([]) is None
    both = [
        QueueFacts(max_message_bytes=1, retention_seconds=200, refusal="no"),
        QueueFacts(max_message_bytes=2, retention_seconds=100, delay_seconds=5),
    ]
    assert strictest(both) == QueueFacts(
        max_message_bytes=1, retention_seconds=100, delay_seconds=5, refusal="no"
    )
