"""The message that Celery sees, with the receipt that settles it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kombu.transport import virtual

from celery_aws.broker.directory import QueueAddress
from celery_aws.control.transient_queues import TransientQueue
from celery_aws.core.envelope import decode_body
from celery_aws.core.messages import ReceivedMessage, S3Pointer
from celery_aws.names import AmqpQueue, ReceiptHandle


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What one delivery of one message is settled by, and where."""

    queue: AmqpQueue
    address: QueueAddress
    handle: ReceiptHandle
    message_id: str = ""
    receive_count: int = 1
    #: The S3 object that goes with the message, once it is deleted.
    pointer: S3Pointer | None = None

    @classmethod
    def of(cls, message: ReceivedMessage, *, queue: AmqpQueue, address: QueueAddress) -> "Receipt":
        """Return what settles ``message``."""
        return cls(
            queue=queue,
            address=address,
            handle=message.receipt_handle,
            message_id=message.message_id,
            receive_count=message.receive_count,
            pointer=message.pointer,
        )


class SqsMessage(virtual.Message):
    """A virtual message that carries its receipt beside its properties.

    The receipt is no property on purpose: Celery pickles the properties into the pool child,
    and stock sends the whole body twice that way. A body that cannot be decoded does not raise
    here, where it would end the worker; it is kept in ``errors``, and Celery reports it as a
    message that it cannot decode.

    Celery acknowledges what it cannot decode (celery/worker/consumer/consumer.py
    ``on_decode_error``), which would delete it. Here that is a rejection: the message goes to the
    dead-letter queue after its receives, and is deleted only where there is none.

    Attributes:
        receipt: settles it.
        received: it, as SQS handed it out; kept for as long as the message, because a rejected
            one goes to the dead-letter queue as it came. At most 1 MiB.
    """

    def __init__(
        self,
        payload: Mapping[str, Any],
        channel: Any = None,
        receipt: Receipt | None = None,
        received: ReceivedMessage | None = None,
        **kwargs: Any,
    ) -> None:
        self.receipt = receipt
        # Without what is in S3: that stays there.
        self.received = received and replace(received, stored_body=None)
        self._decoding_failed = False
        self.errors: list[Any] = []
        properties = payload["properties"]
        body = payload.get("body") or ""
        try:
            body = decode_body(body, properties.get("body_encoding"))
        except ValueError:
            self.errors.append(sys.exc_info())
        if received is not None and received.error is not None:
            error = received.error
            self.errors.append((type(error), error, error.__traceback__))
        # Past the virtual base, which would decode once more and let errors out.
        super(virtual.Message, self).__init__(
            body=body,
            channel=channel,
            delivery_tag=properties["delivery_tag"],
            content_type=payload.get("content-type"),
            content_encoding=payload.get("content-encoding"),
            headers=payload.get("headers"),
            properties=properties,
            delivery_info=properties["delivery_info"],
            postencode="utf-8",
            **kwargs,
        )

    @property
    def description(self) -> str:
        """Name and id of its task, for a log."""
        return f"task {self.headers.get('task')}[{self.headers.get('id')}]"

    @property
    def task(self) -> str | None:
        """Name of its task, None if it names none or it is not known yet."""
        # Protocol 1 has no headers: the name is in the body, which Celery has decoded by then.
        body = self._decoded_cache if isinstance(self._decoded_cache, dict) else {}
        name = self.headers.get("task", body.get("task"))
        return name if isinstance(name, str) else None

    @property
    def undecodable(self) -> bool:
        """True if somebody tried to decode it, and could not."""
        return bool(self.errors) or self._decoding_failed

    def put_back(self) -> None:
        """Let its queue hand it out again: SQS does, once it is given back."""

    def ack(self, multiple: bool = False) -> None:
        """Acknowledge it; what could not be decoded is rejected instead."""
        if self.undecodable:
            self.reject()
        else:
            super().ack(multiple=multiple)

    def _decode(self) -> Any:
        try:
            return super()._decode()
        except Exception:
            self._decoding_failed = True
            raise


class TransientMessage(SqsMessage):
    """A message of a transient queue; nothing of it is on SQS any more.

    Args:
        payload: the virtual message.
        channel: that delivers it.
        queue: its queue, None for a reply.
    """

    def __init__(
        self, payload: Mapping[str, Any], channel: Any = None, queue: TransientQueue | None = None
    ) -> None:
        super().__init__(payload, channel=channel)
        self._payload = payload
        self._queue = queue

    def put_back(self) -> None:
        """Let its queue hand it out again."""
        if self._queue is not None:
            self._queue.put_back([self._payload])
