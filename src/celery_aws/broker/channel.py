"""The kombu channel: translates between AMQP's verbs and SQS's."""

import logging
import os
from collections.abc import Callable, Mapping
from queue import Empty
from typing import Any, cast

from amqp.exceptions import NotFound
from kombu.transport import virtual
from kombu.transport.base import to_rabbitmq_queue_arguments
from kombu.transport.virtual.base import queue_declare_ok_t
from kombu.utils.uuid import uuid

from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.broker.message import Receipt, SqsMessage
from celery_aws.broker.qos import SqsQoS
from celery_aws.broker.receiver import Receiver, UnlimitedCredits
from celery_aws.core.envelope import decode_body, encode_body, load_envelope
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.outgoing import outgoing_message
from celery_aws.errors import QueueNotFoundError, TemporaryError, UnsupportedError
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

#: Seconds of a synchronous get's poll. A poll of 0 s asks only some of SQS's servers, and may
#: miss a message that is there.
GET_WAIT_SECONDS = 1

#: Seconds for which a synchronous get waits for earlier settlements of its connection.
FLUSH_SECONDS = 10.0

#: Pauses before a send is tried again that found no queue: SQS needs about a second before a
#: queue that was just created can be used.
_NEW_QUEUE_PAUSES_SECONDS = (0.5, 1.0, 2.0)


_NOT_YET = (
    "{what}: remote control, events, Broadcast queues and rpc:// results are not carried by "
    "aws+sqs:// yet. Use durable queues and direct or topic exchanges, and aws+dynamodb:// for "
    "results"
)


class Channel(virtual.Channel):
    """One channel: its consumers' receivers, and its quality of service."""

    Message = SqsMessage
    QoS = SqsQoS

    #: Set by the virtual base.
    closed: bool

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        # Receivers and late acknowledgements outlive the channel's link to its connection,
        # which the virtual base cuts when the channel is closed.
        self._acker = connection.acker
        self._buffer = connection.buffer
        self._clock = connection.clock
        self._receivers: dict[str, Receiver] = {}
        self._pid = os.getpid()

    @property
    def directory(self) -> QueueDirectory:
        """Where the queues are."""
        return cast("QueueDirectory", self.connection.directory)

    # Exchanges and queues.

    def exchange_declare(
        self,
        exchange: str | None = None,
        type: str = "direct",  # noqa: A002
        **kwargs: Any,
    ) -> None:
        """Declare an exchange for this connection.

        Raises:
            UnsupportedError: a fanout exchange, which would swallow every message.
        """
        if type == "fanout":
            raise UnsupportedError(_NOT_YET.format(what=f"exchange {exchange!r} is a fanout"))
        super().exchange_declare(exchange=exchange, type=type, **kwargs)

    def prepare_queue_arguments(self, arguments: Any, **kwargs: Any) -> Any:
        """Keep ``expires`` and the like, by the names that RabbitMQ gave them."""
        return to_rabbitmq_queue_arguments(arguments or {}, **kwargs)

    def queue_declare(
        self,
        queue: str | None = None,
        passive: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> Any:
        """Make sure that the queue exists; with ``passive`` only look.

        Returns:
            Name and counts; the count of messages is looked up with ``passive`` only, because
            it costs a request that Celery does not need.

        Raises:
            NotFound: with ``passive``, there is no such queue.
            QueueNotFoundError: it is missing and may not be created.
            UnsupportedError: a queue that expires, as those of control, events and rpc:// do.

        Costs one GetQueueUrl the first time, and a CreateQueue if the queue is missing; with
        ``passive`` one GetQueueUrl and one GetQueueAttributes each time.
        """
        name = AmqpQueue(queue or f"amq.gen-{uuid()}")
        if passive:
            return queue_declare_ok_t(name, self._declare_passive(name), 0)
        if "x-expires" in (arguments or {}):
            raise UnsupportedError(_NOT_YET.format(what=f"queue {name!r} expires"))
        self.directory.address(name)
        return queue_declare_ok_t(name, 0, 0)

    def queue_delete(
        self,
        queue: str,
        if_unused: bool = False,  # noqa: ARG002 - SQS does not know its consumers
        if_empty: bool = False,
        **_: Any,
    ) -> None:
        """Delete the queue with all its messages; a missing one is no error."""
        name = AmqpQueue(queue)
        if if_empty and self._size(name):
            return
        self._delete(name)
        self.state.queue_bindings_delete(queue)
        for exchange in self.state.exchanges.values():
            exchange["table"] = [row for row in exchange["table"] if row[-1] != queue]

    def _declare_passive(self, queue: AmqpQueue) -> int:
        address = self.directory.find(queue)
        if address is None:
            raise NotFound(
                f"NOT_FOUND - no queue {self.directory.name(queue)!r} on SQS",
                (50, 10),
                "Channel.queue_declare",
            )
        return _visible_messages(address)

    def _has_queue(self, queue: str, **_: Any) -> bool:
        return self.directory.find(AmqpQueue(queue)) is not None

    def _new_queue(self, queue: str, **_: Any) -> None:
        self.directory.address(AmqpQueue(queue))

    def _size(self, queue: str) -> int:
        return _visible_messages(self.directory.address(AmqpQueue(queue)))

    def _purge(self, queue: str) -> int:
        address = self.directory.address(AmqpQueue(queue))
        count = _visible_messages(address)
        address.service.purge_queue(address.url)
        return count

    def _delete(self, queue: str, *_: Any, **__: Any) -> None:
        name = AmqpQueue(queue)
        try:
            address = self.directory.find(name)
            if address is not None:
                address.service.delete_queue(address.url)
        finally:
            self.directory.forget(name)

    # Publishing.

    def _inplace_augment_message(
        self, message: dict[str, Any], exchange: str, routing_key: str
    ) -> None:
        message["body"], encoding = encode_body(message["body"])
        properties = message["properties"]
        properties.update(body_encoding=encoding, delivery_tag=self._next_delivery_tag())
        properties["delivery_info"].update(exchange=exchange, routing_key=routing_key)

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        name = AmqpQueue(queue)
        outgoing = outgoing_message(
            message,
            queue=self.directory.name(name),
            as_base64=self.directory.options.sqs_base64_encoding,
            new_deduplication_id=uuid,
        )
        for pause_seconds in (*_NEW_QUEUE_PAUSES_SECONDS, None):
            address = self.directory.address(name)
            try:
                address.service.send(address.url, outgoing)
            except QueueNotFoundError:
                self.directory.forget(name)
                if pause_seconds is None:
                    raise
                self._clock.sleep(pause_seconds)
            except TemporaryError:
                self.directory.lost()
                raise
            else:
                return

    # Consuming.

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,
        callback: Callable[[SqsMessage], Any],
        consumer_tag: str,
        **_: Any,
    ) -> None:
        """Start receiving from the queue, in a thread of its own."""

        def deliver(receiver: Receiver, received: ReceivedMessage) -> None:
            message = self._message(received, receiver.receipt(received))
            if no_ack:
                self._acker.delete(receiver.receipt(received))
            else:
                self.qos.append(message, message.delivery_tag, reserved=True)
            callback(message)

        receiver = Receiver(
            queue=AmqpQueue(queue),
            directory=self.directory,
            credit_source=UnlimitedCredits() if no_ack else self.qos,
            buffer=self._buffer,
            acker=self._acker,
            deliver=deliver,
            clock=self._clock,
        )
        self._tag_to_queue[consumer_tag] = queue
        self._active_queues.append(queue)
        self._consumers.add(consumer_tag)
        self._receivers[consumer_tag] = receiver
        self.connection.start_soon(receiver)

    def basic_cancel(self, consumer_tag: str) -> None:
        """Stop receiving, and give back what was received and not delivered.

        Does not wait for a poll under way; the receiver gives back what that still brings.
        """
        receiver = self._receivers.pop(consumer_tag, None)
        if receiver is None:
            return
        self._consumers.discard(consumer_tag)
        self._active_queues.remove(self._tag_to_queue.pop(consumer_tag))
        receiver.stop(timeout_seconds=0)
        receiver.give_back([each.message for each in self._buffer.discard(receiver)])

    def basic_get(self, queue: str, no_ack: bool = False, **_: Any) -> SqsMessage | None:
        """Receive one message now, or return None.

        Costs one ReceiveMessage, of up to :data:`GET_WAIT_SECONDS`.
        """
        try:
            message = self._get(queue)
        except Empty:
            return None
        if no_ack:
            self._acker.delete(cast("Receipt", message.receipt))
        else:
            self.qos.append(message, message.delivery_tag)
        return message

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:  # noqa: ARG002
        """Delete the message, soon; from any thread."""
        self.qos.ack(delivery_tag)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give the message back to its queue at once, or delete it; from any thread."""
        self.qos.reject(delivery_tag, requeue=requeue)

    def drain_events(self, timeout: float | None = None, callback: Any = None) -> None:  # noqa: ARG002
        """Deliver one message; deliveries of all channels come through the transport."""
        self.connection.drain_events(self.connection, timeout=timeout)

    def close(self) -> None:
        """Cancel the consumers and give back every message that is not settled.

        In a forked child it only forgets them: the parent still works on its messages, and its
        threads may have held any lock at the fork.
        """
        if self.closed:
            return
        if self._pid != os.getpid():
            self.closed = True
            return
        for consumer_tag in list(self._receivers):
            self.basic_cancel(consumer_tag)
        super().close()

    @property
    def qos(self) -> SqsQoS:
        """The channel's credits and unsettled messages."""
        if self._qos is None:
            self._qos: SqsQoS | None = SqsQoS(self, self._acker)
        return self._qos

    @property
    def receivers(self) -> list[Receiver]:
        """The receivers at work."""
        return list(self._receivers.values())

    def encode_body(self, body: Any, encoding: str | None = None) -> tuple[Any, str | None]:  # noqa: ARG002
        """Encode a body for the envelope; kombu calls it to dump a message."""
        return encode_body(body)

    def decode_body(self, body: Any, encoding: str | None = None) -> Any:
        """Decode a body of an envelope."""
        return decode_body(body, encoding)

    def _get(self, queue: str, timeout: float | None = None) -> SqsMessage:  # noqa: ARG002
        self._acker.flush(FLUSH_SECONDS)
        address = self.directory.address(AmqpQueue(queue))
        received = address.service.receive(
            address.url,
            max_messages=1,
            wait_seconds=GET_WAIT_SECONDS,
            visibility_timeout_seconds=self.directory.options.visibility_timeout,
        )
        if not received:
            raise Empty
        return self._message(
            received[0],
            Receipt(
                queue=AmqpQueue(queue),
                address=address,
                handle=received[0].receipt_handle,
                receive_count=received[0].receive_count,
            ),
        )

    def _message(self, received: ReceivedMessage, receipt: Receipt) -> SqsMessage:
        payload = load_envelope(received.body)
        properties = payload["properties"]
        properties["delivery_tag"] = self._next_delivery_tag()
        properties["delivery_info"]["redelivered"] = received.redelivered
        return SqsMessage(payload, channel=self, receipt=receipt)


def _visible_messages(address: QueueAddress) -> int:
    wanted = "ApproximateNumberOfMessages"
    return int(address.service.queue_attributes(address.url, [wanted])[wanted])
