"""Old apps whose broker is a real RabbitMQ, and what real Celery leaves there."""

import gc
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.worker.consumer.delayed_delivery import DelayedDelivery
from kombu import Exchange, Queue

from celery_aws.migrate.amqp.source import AmqpSource
from celery_aws.migrate.sides import Claim, Source
from celery_aws.names import AmqpQueue
from tests.integration.migrate.conftest import VirtualHost

PATIENCE_SECONDS = 30.0

MakeApp = Callable[..., Celery]
MakeSource = Callable[..., AmqpSource]


@pytest.fixture
def make_app(rabbit: VirtualHost) -> Iterator[MakeApp]:
    """Makes apps of this test's virtual host; their settings are the arguments."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Celery:
            app = Celery("old", broker=rabbit.url, set_as_current=False)
            # What was sent is there.
            app.conf.update({"broker_transport_options": {"confirm_publish": True}, **settings})
            # For these, the environment has no say.
            app.conf.update(broker_read_url=rabbit.url, broker_write_url=rabbit.url)
            stack.callback(app.close)
            return app

        yield make


@pytest.fixture
def make_source() -> Iterator[MakeSource]:
    """Makes sources that are closed at the end."""
    with ExitStack() as stack:

        def make(app: Celery, *names: str, **options: Any) -> AmqpSource:
            queues = {AmqpQueue(name): AmqpQueue(name) for name in names}
            source = AmqpSource(app, queues=options.pop("queues", queues), run="test", **options)
            stack.callback(source.close)
            return source

        yield make


def quorum(name: str, exchange: str, *, key: str, kind: str = "topic") -> Queue:
    """A quorum queue as a user of native delays declares it."""
    arguments = {"x-queue-type": "quorum"}
    return Queue(name, Exchange(exchange, type=kind), routing_key=key, queue_arguments=arguments)


def start_delays(app: Celery) -> None:
    """Do what a worker does at its start for native delays, by its own code, and declare queues."""
    with app.connection_for_write() as connection:
        for queue in app.amqp.queues.values():
            queue(connection.default_channel).declare()
    with warnings.catch_warnings():
        # kombu 5.5 warns of direct exchanges by a method that is deprecated itself, and Celery 5.5
        # never closes this connection.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", ResourceWarning)
        DelayedDelivery(SimpleNamespace(app=app)).start(SimpleNamespace(app=app))
        gc.collect()


def drain(source: Source, *, commit: bool = True) -> list[Claim]:
    """Claim until nothing is left."""
    claims: list[Claim] = []
    while batch := source.claim(10):
        claims += batch
        if commit:
            source.commit(batch)
    return claims


def ids(claims: Sequence[Claim]) -> list[str | None]:
    """Task ids, in their order."""
    return [None if not hasattr(c.message, "task_id") else c.message.task_id for c in claims]


def ready(app: Celery, queue: str) -> int:
    """How many messages of a queue no worker has."""
    with app.connection_for_read() as connection:
        answer = connection.default_channel.queue_declare(queue, passive=True)
        return int(answer.message_count)


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask until it is true; RabbitMQ gives no signal."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
