"""Messages as Celery asks a channel to publish them, and what a worker makes of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from time import monotonic, time
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from celery import Celery
from celery.worker.strategy import default as default_strategy
from kombu.transport import memory

from celery_aws.broker.message import SqsMessage
from celery_aws.core.envelope import dump_envelope, encode_body, load_envelope
from celery_aws.core.task_eta import received_timing

SERIALIZERS = [
    "json",
    "pickle",
    "yaml",
    pytest.param(
        "msgpack", marks=pytest.mark.skipif(not find_spec("msgpack"), reason="needs msgpack")
    ),
]


class RecordingChannel(memory.Channel):
    """Keeps what it is asked to publish, and publishes nothing."""

    # kombu's pools share connections, and so channels, between apps.
    published: ClassVar[list[dict[str, Any]]] = []

    def basic_publish(
        self, message: dict[str, Any], exchange: str, routing_key: str, **_: Any
    ) -> None:
        self.published.append(message)


class RecordingTransport(memory.Transport):
    Channel = RecordingChannel


class Publisher:
    """An app whose messages go nowhere."""

    def __init__(self, **conf: Any) -> None:
        self.app = Celery("shop", set_as_current=False, broker="memory://", **conf)
        self.app.conf.broker_transport = "tests.unit.core.publishing:RecordingTransport"

        @self.app.task(name="shop.mail", shared=False)
        def mail(*_: Any, **__: Any) -> None:
            pass

    def task(self, **options: Any) -> dict[str, Any]:
        """Return the message of a task that is called with these options."""
        return self.sent(lambda: self.app.send_task("shop.mail", ["you"], {"copy": 1}, **options))

    def sent(self, send: Callable[[], Any]) -> dict[str, Any]:
        """Return the one message that ``send`` publishes."""
        RecordingChannel.published.clear()
        send()
        (message,) = RecordingChannel.published
        return message


def received(message: dict[str, Any]) -> dict[str, Any]:
    """Return the envelope that comes out of SQS for a message on its way out."""
    body, encoding = encode_body(message["body"])
    properties = {**message["properties"], "body_encoding": encoding, "delivery_tag": "1"}
    return load_envelope(dump_envelope({**message, "body": body, "properties": properties}))


def received_eta(envelope: dict[str, Any]) -> datetime | None:
    """Return the eta that the broker reads in an envelope."""
    timing = received_timing(envelope)
    return timing.eta if timing else None


@dataclass(frozen=True)
class WorkersView:
    """What a worker makes of a message.

    Attributes:
        eta: of its Request.
        called_at: Unix time for which the task is put on the timer, None if it runs at once.
    """

    eta: datetime | None
    called_at: float | None


def workers_view(app: Celery, message: dict[str, Any]) -> WorkersView:
    """Hand a message to the strategy of Celery's worker.

    Raises:
        Exception: what the strategy raises, such as InvalidTaskError.
    """
    envelope = received(message)
    sqs_message = SqsMessage(envelope)
    sqs_message.accept = {envelope["content-type"]}
    requests: list[Any] = []
    timed: list[float] = []

    def call_at(eta: float, _function: Any, arguments: tuple[Any, ...], **_: Any) -> None:
        timed.append(eta + time() - monotonic())
        requests.append(arguments[0])

    consumer = SimpleNamespace(
        hostname="w@h",
        connection_errors=(),
        event_dispatcher=None,
        timer=SimpleNamespace(call_at=call_at),
        apply_eta_task=None,
        disable_rate_limits=True,
        task_buckets={},
        on_task_request=requests.append,
        pool=SimpleNamespace(apply_async=None),
        controller=SimpleNamespace(state=SimpleNamespace(revoked=())),
        qos=SimpleNamespace(increment_eventually=lambda: None),
        _limit_task=None,
        _limit_post_eta=None,
    )
    handle = default_strategy(app.tasks["shop.mail"], app, consumer)
    body = None if "task" in sqs_message.headers else sqs_message.decode()
    handle(sqs_message, body, lambda *_: None, lambda *_, **__: None, [])
    (request,) = requests
    return WorkersView(eta=request.eta, called_at=timed[0] if timed else None)
