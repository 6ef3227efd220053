"""Redis as the broker that is entered: the way back.

In the same transaction in which a message goes into its queue, its key goes into a hash, so that
one that is sent again is known. Each message gets a delivery tag of its own, as kombu gives each
publish one: a later move away from here must not take it for one that was moved before.
"""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from celery_aws.core.envelope import BASE64, checked_envelope, decode_body
from celery_aws.core.priorities import LOWEST_NUMBER
from celery_aws.errors import BrokerLostError, UnreachableError
from celery_aws.limits import SQS_RETENTION_SECONDS_MAX
from celery_aws.migrate.messages import Answer, Carried, Refused, Sent, Unsent
from celery_aws.migrate.redis.server import RedisServer

#: How long Redis remembers what it has received, from the last message on. No message of SQS is
#: older.
MEMORY_SECONDS = SQS_RETENTION_SECONDS_MAX


class RedisTarget:
    """A target for messages; of one thread. Nothing is asked for before the first message."""

    def __init__(self, app: Any) -> None:
        """Name where they go.

        Args:
            app: the app whose broker it is: its prefix, priority steps and separator count.
        """
        self._server = RedisServer(app)

    def send(self, messages: Sequence[Carried]) -> Sequence[Answer]:
        """Put messages into their queues, as the last ones of their priorities.

        One that is there already is not put there again. A command, and a transaction.

        Raises:
            ConfigurationError: Redis refuses; none was sent.
        """
        try:
            with self._server.answering():
                self._server.open()
                return self._sent(messages)
        except BrokerLostError as error:
            # It may have them; the hash tells when they come again.
            return [Unsent(error=_passing(error))] * len(messages)

    def close(self) -> None:
        """Disconnect."""
        self._server.close()

    def _sent(self, messages: Sequence[Carried]) -> Sequence[Answer]:
        tags = self._received(messages)
        answers: list[Answer] = []
        with self._server.client.pipeline() as pipe:
            for message in messages:
                if message.key not in tags:
                    refusal = self._put(pipe, message, tag := str(uuid.uuid4()))
                    if refusal is not None:
                        answers.append(refusal)
                        continue
                    tags[message.key] = tag
                answers.append(Sent(message_id=tags[message.key]))
            if len(pipe):
                pipe.expire(self._server.layout.received, MEMORY_SECONDS)
                pipe.execute()
        return answers

    def _received(self, messages: Sequence[Carried]) -> dict[str, str]:
        """Return the tags of those that are here already, by their keys."""
        if not messages:
            return {}
        keys = [message.key for message in messages]
        found = self._server.client.hmget(self._server.layout.received, keys)
        return {key: tag.decode() for key, tag in zip(keys, found, strict=True) if tag is not None}

    def _put(self, pipe: Any, message: Carried, tag: str) -> Refused | None:
        try:
            entry = stored_entry(message, tag)
        except ValueError as error:
            return Refused(reason=f"its body cannot be read: {error}")
        layout = self._server.layout
        priority = LOWEST_NUMBER if message.priority is None else message.priority
        pipe.lpush(layout.key(layout.list_for(message.queue, priority).name), entry)
        pipe.hset(layout.received, message.key, tag)
        return None


def _passing(error: BrokerLostError) -> UnreachableError:
    """Return an error of the kind that is tried again."""
    return UnreachableError(
        str(error), service="redis", operation="MULTI", code="BrokerLost", remedy=""
    )


def stored_entry(message: Carried, tag: str) -> str:
    """Return a message as kombu's Redis transport stores it.

    Args:
        message: the message.
        tag: its delivery tag.

    Raises:
        ValueError: its body is not what its encoding says.
    """
    envelope: Mapping[str, Any] = checked_envelope(message.envelope)
    properties = {**envelope["properties"]}
    body = decode_body(envelope["body"] or "", properties.get("body_encoding"))
    raw = body.encode() if isinstance(body, str) else body
    if message.priority is not None:
        properties["priority"] = message.priority
    properties["delivery_info"] = _delivery_info(properties["delivery_info"], message)
    properties |= {"body_encoding": BASE64, "delivery_tag": tag}
    text = base64.b64encode(raw).decode("ascii")
    return json.dumps({**envelope, "body": text, "properties": properties})


def _delivery_info(information: Mapping[str, Any], message: Carried) -> dict[str, Any]:
    """Return by what it is put back if its worker dies; by the name of its queue, the new one."""
    if information.get("exchange"):
        return dict(information)
    return {**information, "exchange": "", "routing_key": message.queue}
