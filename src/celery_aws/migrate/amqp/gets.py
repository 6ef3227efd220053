"""Several gets in one round trip: RabbitMQ answers requests of a channel in their order.

Facts: amqp/channel.py ``basic_get``, which asks for one and waits.
"""

from typing import Any

from amqp import spec

from celery_aws.names import AmqpQueue

_ANSWERS = [spec.Basic.GetOk, spec.Basic.GetEmpty]
_FIELDS = ("delivery_tag", "redelivered", "exchange", "routing_key", "message_count")


def get(channel: Any, queue: AmqpQueue, most: int) -> list[Any]:
    """Take up to ``most`` messages of a queue, in two round trips, or one if there is none."""
    first = _ask(channel, queue, min(most, 1))
    return first + (_ask(channel, queue, most - 1) if first else [])


def _ask(channel: Any, queue: AmqpQueue, times: int) -> list[Any]:
    for _ in range(times):
        channel.send_method(spec.Basic.Get, "Bsb", (0, queue, False))
    answers = [channel.wait(_ANSWERS, returns_tuple=True) for _ in range(times)]
    return [_message(answer) for answer in answers if len(answer) > 1]


def _message(answer: tuple[Any, ...]) -> Any:
    *facts, message = answer
    message.delivery_info = dict(zip(_FIELDS, facts, strict=True))
    return message
