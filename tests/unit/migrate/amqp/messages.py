"""Messages of RabbitMQ, as py-amqp hands them out."""

from typing import Any

import amqp


def delivered(
    body: bytes = b"[[], {}, {}]",
    *,
    headers: dict[Any, Any] | None = None,
    redelivered: bool = False,
    routing_key: str = "celery",
    tag: int = 1,
    **properties: Any,
) -> Any:
    message = amqp.Message(body, application_headers=headers or {}, **properties)
    message.delivery_info = {
        "delivery_tag": tag,
        "redelivered": redelivered,
        "exchange": "",
        "routing_key": routing_key,
        "message_count": 0,
    }
    return message
