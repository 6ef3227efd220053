"""How long a message may wait in its queue: ``expiration``, the TTL that AMQP gives a message.

SQS has a retention period for a queue and none for a message, so what has waited for too long is
found by whoever receives it. Pure. Facts: kombu/messaging.py (``Producer.publish``: seconds become
milliseconds, as text); "TTL" in RabbitMQ's documentation: what is redelivered keeps its time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.task_eta import received_timing


def life_of(message: Mapping[str, Any]) -> timedelta | None:
    """Return for how long a virtual message may wait; None for ever, and for what is no time."""
    text = str(message.get("properties", {}).get("expiration"))
    try:
        return timedelta(milliseconds=int(text)) if text.isdecimal() else None
    except OverflowError:
        return None


def has_expired(message: ReceivedMessage, now: datetime) -> bool:
    """Tell whether nobody wants a message any more.

    Args:
        message: with the time at which it was sent; for SQS's clock and this machine's differ.
        now: aware.

    Returns:
        True if its time is up. It begins when the message is sent, or with the eta of its task:
        before, it could not be had. False for what is no number of milliseconds.
    """
    if message.error is not None or message.sent_at is None:
        return False
    life = life_of(message.payload)
    if life is None:
        return False
    timing = received_timing(message.payload)
    eta = timing.eta if timing is not None else None
    since = max(message.sent_at, eta) if eta is not None else message.sent_at
    return now - since > life
