from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from celery import Celery
from celery.app.defaults import NAMESPACES
from celery.backends.rpc import RPCBackend
from kombu import Exchange, Queue
from kombu.common import Broadcast
from kombu.transport import memory
from kombu.transport.base import to_rabbitmq_queue_arguments

from celery_aws.core.queue_traits import Home, QueueTraits


class DeclaringChannel(memory.Channel):
    """Keeps what it is asked to declare; names arguments as RabbitMQ does, and as ours does."""

    declared: ClassVar[list[dict[str, Any]]] = []

    def prepare_queue_arguments(self, arguments: Any, **kwargs: Any) -> Any:
        return to_rabbitmq_queue_arguments(arguments or {}, **kwargs)

    def queue_declare(self, queue: str | None = None, **options: Any) -> Any:
        self.declared.append(options)
        return super().queue_declare(queue=queue, **options)


class DeclaringTransport(memory.Transport):
    Channel = DeclaringChannel


def declared(queue: Callable[[Celery], Queue], **conf: Any) -> QueueTraits:
    """Return the traits of a queue, as kombu asks a channel to declare it."""
    app = Celery("shop", set_as_current=False, broker="memory://", **conf)
    app.conf.broker_transport = "tests.unit.core.test_queue_traits:DeclaringTransport"
    DeclaringChannel.declared.clear()
    with app.connection_for_write() as connection:
        queue(app)(connection.default_channel).declare()
    (options,) = DeclaringChannel.declared
    return QueueTraits.of(
        exclusive=options["exclusive"],
        auto_delete=options["auto_delete"],
        arguments=options["arguments"],
    )


def of_node(app: Celery) -> Queue:
    return app.control.mailbox.get_queue("w@h")


def of_replies(app: Celery) -> Queue:
    return app.control.mailbox.get_reply_queue()


def of_monitor(app: Celery) -> Queue:
    with app.connection_for_write() as connection:
        return app.events.Receiver(connection, handlers={}).queue


def of_results(app: Celery) -> Queue:
    return RPCBackend(app).binding


def of_tasks(app: Celery) -> Queue:
    return app.amqp.queues["celery"]


@pytest.mark.parametrize(
    ("queue", "home"),
    [
        (of_node, Home.MEMORY),
        (of_replies, Home.MEMORY),
        (of_monitor, Home.MEMORY),
        (of_results, Home.MEMORY),
        (of_tasks, Home.SQS),
        (lambda _: Broadcast("news"), Home.BY_BINDING),
        (lambda _: Broadcast("news", expires=60), Home.MEMORY),
        (lambda _: Broadcast("news", auto_delete=False), Home.SQS),
        (lambda _: Queue("q", Exchange("x"), auto_delete=True), Home.BY_BINDING),
        (lambda _: Queue("q", Exchange("x"), exclusive=True), Home.MEMORY),
        # What others may still want when its declarer is gone.
        (lambda _: Queue("q", Exchange("x"), expires=60), Home.SQS),
        (lambda _: Queue("q", Exchange("x"), durable=False), Home.SQS),
        (lambda _: Queue("q", Exchange("x"), message_ttl=60), Home.SQS),
    ],
)
def test_where_the_queues_are_that_celery_declares(
    queue: Callable[[Celery], Queue], home: Home
) -> None:
    assert declared(queue).home is home


@pytest.mark.parametrize(
    ("conf", "home"),
    [
        pytest.param(
            {"control_queue_durable": True, "control_queue_exclusive": False},
            Home.SQS,
            marks=pytest.mark.skipif(
                "queue_durable" not in NAMESPACES["control"], reason="needs a newer Celery"
            ),
        ),
        ({"control_queue_exclusive": True}, Home.MEMORY),
        ({"control_queue_exclusive": False}, Home.MEMORY),
        ({"control_queue_expires": 3}, Home.MEMORY),
    ],
)
def test_where_a_workers_queue_is_if_somebody_set_it_up(conf: dict[str, Any], home: Home) -> None:
    assert declared(of_node, **conf).home is home


def test_what_celery_says_in_seconds() -> None:
    traits = declared(of_monitor, event_queue_expires=60.5, event_queue_ttl=5)

    assert (traits.expires_seconds, traits.message_ttl_seconds) == (60.5, 5.0)


def test_what_is_not_said_is_never() -> None:
    assert QueueTraits.of(exclusive=False, auto_delete=False, arguments={}) == QueueTraits()


def test_arguments_are_milliseconds() -> None:
    arguments = {"x-expires": 1_500, "x-message-ttl": "250", "x-max-priority": 9}
    traits = QueueTraits.of(exclusive=True, auto_delete=True, arguments=arguments)

    assert traits == QueueTraits(
        exclusive=True,
        auto_delete=True,
        expires_seconds=1.5,
        message_ttl_seconds=0.25,
        prioritised=True,
    )


def test_what_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="soon"):
        QueueTraits.of(exclusive=False, auto_delete=True, arguments={"x-expires": "soon"})
