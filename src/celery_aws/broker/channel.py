"""The kombu channel: consumers, gets and settlements; queues and publishing are its bases."""

import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from queue import Empty
from typing import Any

from celery_aws.broker.delivery import Delivery
from celery_aws.broker.give_backs import give_backs
from celery_aws.broker.message import Receipt, SqsMessage, TransientMessage
from celery_aws.broker.producer_batch import ProducerBatch
from celery_aws.broker.publishing import Publishing
from celery_aws.broker.qos import SqsQoS
from celery_aws.broker.receiver import Receiver, UnlimitedCredits
from celery_aws.broker.transient_consumers import ReplyConsumer, TransientConsumer
from celery_aws.control.transient_queues import TransientQueue
from celery_aws.core.control_messages import reply_oid
from celery_aws.core.envelope import decode_body, encode_body
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.parked_messages import maybe_sent_before
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

#: Seconds of a synchronous get's poll. A poll of 0 s asks only some of SQS's servers, and may
#: miss a message that is there.
GET_WAIT_SECONDS = 1

#: Seconds for which a synchronous get waits for earlier settlements of its connection.
FLUSH_SECONDS = 10.0


class Channel(Publishing):
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
        self._leases = connection.leases
        self._worker = connection.worker
        self._buffer = connection.buffer
        self._clock = connection.clock
        self._reception = connection.reception
        self._rejections = connection.rejections
        self._departures = connection.departures
        #: By consumer tag; of a queue with priorities, the highest first.
        self._receivers: dict[str, list[Receiver]] = {}
        self._transient_consumers: dict[str, TransientConsumer] = {}
        self._undecided = {}
        self._received_tags = count(1)
        self._pid = os.getpid()

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,
        callback: Callable[[SqsMessage], Any],
        consumer_tag: str,
        **_: Any,
    ) -> None:
        """Start receiving from the queue, in a thread of its own for each of its priorities."""

        def deliver(delivery: Delivery) -> None:
            message = self._message(delivery.message, delivery.receipt)
            if no_ack:
                self._acker.delete(delivery.receipt)
                callback(message)
                return
            self._leases.describe(delivery.receipt, message.description)
            if delivery.message.revoked_task_id is not None:
                self._worker.add_revoked(delivery.message.revoked_task_id)
            with self.qos.delivering():
                self.qos.append(message, message.delivery_tag, reserved=True)
                callback(message)

        if self._consume_here(AmqpQueue(queue), callback, consumer_tag, no_ack=no_ack):
            return
        receivers: list[Receiver] = []
        for each in self.directory.priority_queues(AmqpQueue(queue)):
            receiver = Receiver(
                queue=each,
                reception=self._reception,
                credit_source=UnlimitedCredits() if no_ack else self.qos,
                buffer=self._buffer,
                deliver=deliver,
                # Acknowledged on receipt, an early message is its consumer's.
                puts_off=not no_ack,
                higher=tuple(receivers),
            )
            receivers.append(receiver)
        self._note_consumer(consumer_tag, queue)
        self._receivers[consumer_tag] = receivers
        for receiver in receivers:
            self.connection.start_soon(receiver)

    def basic_cancel(self, consumer_tag: str) -> None:
        """Stop receiving, and give back what was received and not delivered.

        Does not wait for a poll under way; the receiver gives back what that still brings.
        """
        if consumer_tag not in self._consumers:
            return
        self._consumers.discard(consumer_tag)
        self._active_queues.remove(self._tag_to_queue.pop(consumer_tag))
        consumer = self._transient_consumers.pop(consumer_tag, None)
        if consumer is not None:
            self._cancel_here(consumer)
            return
        receivers = self._receivers.pop(consumer_tag)
        # First all of them: one may be receiving for another.
        for receiver in receivers:
            self.connection.end_soon(receiver)
        for receiver in receivers:
            receiver.give_back(self._buffer.discard(receiver))
        self.give_back_waiting()
        self._acker.hurry()

    def give_back_waiting(self) -> None:
        """Give back the messages of tasks that will never start, if the worker stops.

        Its warm shutdown may take hours; others shall have them at once.
        """
        waiting = self._worker.withdraw_waiting()
        for message in waiting:
            if message.channel is self and message.receipt is not None:
                give_backs().note(message.receipt.message_id)
        self.qos.restore(waiting)

    def basic_get(self, queue: str, no_ack: bool = False, **_: Any) -> SqsMessage | None:
        """Receive one message now, or return None.

        Costs one ReceiveMessage, of up to :data:`GET_WAIT_SECONDS`, for each priority of the queue
        until a message is there.
        """
        try:
            message = self._get(queue)
        except Empty:
            return None
        if not no_ack:
            self.qos.append(message, message.delivery_tag)
        elif message.receipt is not None:
            self._acker.delete(message.receipt)
        return message

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:  # noqa: ARG002
        """Delete the message, soon; from any thread."""
        self.qos.ack(delivery_tag)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give the message back, move it to the dead-letter queue or delete it, soon.

        From any thread; what becomes of it: :mod:`celery_aws.core.rejection`.

        Costs nothing here; what it costs later: :mod:`celery_aws.broker.dead_letters`.
        """
        try:
            message = self.qos.get(delivery_tag)
        except KeyError:
            return  # settled before
        if message.receipt is None:
            self.qos.reject(delivery_tag, requeue=requeue)
        else:
            self.qos.settle(delivery_tag, self._rejections.decide(message, requeue=requeue))

    def create_publish_batch(self, max_size: int) -> ProducerBatch:
        """Return kombu's batch of publishes, which its ``Producer.batch`` asks for."""
        return ProducerBatch(self, max_size, self._clock)

    def drain_events(self, timeout: float | None = None, callback: Any = None) -> None:  # noqa: ARG002
        """Deliver one message; deliveries of all channels come through the transport."""
        self.connection.drain_events(self.connection, timeout=timeout)

    def close(self) -> None:
        """Cancel the consumers and give back every message that is not settled.

        But for those of tasks that run on, because not the worker ends but its connection: they
        are acknowledged when they end.

        In a forked child it only forgets them: the parent still works on its messages, and its
        threads may have held any lock at the fork.
        """
        if self.closed:
            return
        if self._pid != os.getpid():
            self.closed = True
            return
        for consumer_tag in list(self._consumers):
            self.basic_cancel(consumer_tag)
        super().close()

    @property
    def qos(self) -> SqsQoS:
        """The channel's credits and unsettled messages."""
        if self._qos is None:
            self._qos: SqsQoS | None = SqsQoS(
                self,
                self._acker,
                free_slots=self._worker.free_slots,
                running=self._worker.running_messages,
                work_in_hand=lambda: self._worker.work_in_hand(undelivered=self._buffer.waiting),
            )
        return self._qos

    @property
    def receivers(self) -> list[Receiver]:
        """The receivers at work."""
        return [receiver for each in list(self._receivers.values()) for receiver in each]

    def encode_body(self, body: Any, encoding: str | None = None) -> tuple[Any, str | None]:  # noqa: ARG002
        """Encode a body for the envelope; kombu calls it to dump a message."""
        return encode_body(body)

    def decode_body(self, body: Any, encoding: str | None = None) -> Any:
        """Decode a body of an envelope."""
        return decode_body(body, encoding)

    def _new_received_tag(self) -> str:
        # Of this channel alone, so a number will do: a UUID for each message has its price.
        return str(next(self._received_tags))

    def _note_consumer(self, consumer_tag: str, queue: str) -> None:
        self._tag_to_queue[consumer_tag] = queue
        self._active_queues.append(queue)
        self._consumers.add(consumer_tag)

    def _consume_here(
        self,
        queue: AmqpQueue,
        callback: Callable[[SqsMessage], Any],
        consumer_tag: str,
        *,
        no_ack: bool,
    ) -> bool:
        """Consume what is not on SQS; False if the queue is."""
        plane, oid, transient = self.plane, reply_oid(queue), self.transient(queue)
        if plane is None or (oid is None and transient is None):
            return False

        def deliver(payload: Mapping[str, Any]) -> None:
            message = self._transient_message(payload, transient)
            if not no_ack:
                self.qos.append(message, message.delivery_tag)
            callback(message)

        consumer: TransientConsumer
        if transient is not None:
            self._make_known(plane, transient)
            consumer = TransientConsumer(transient, self._buffer, deliver)
        else:
            consumer = ReplyConsumer(partial(plane.reply_reader, str(oid)), self._buffer, deliver)
        self._note_consumer(consumer_tag, queue)
        self._transient_consumers[consumer_tag] = consumer
        consumer.start()
        return True

    def _cancel_here(self, consumer: TransientConsumer) -> None:
        queue = consumer.queue
        if consumer.cancel() and queue is not None and queue.traits.auto_delete and self.plane:
            self.plane.drop(queue)

    def _transient_message(
        self, payload: Mapping[str, Any], queue: TransientQueue | None
    ) -> TransientMessage:
        properties = {**payload["properties"], "delivery_tag": self._new_received_tag()}
        properties["delivery_info"] = {**properties["delivery_info"], "redelivered": False}
        return TransientMessage({**payload, "properties": properties}, channel=self, queue=queue)

    def _get(self, queue: str, timeout: float | None = None) -> SqsMessage:  # noqa: ARG002
        transient = self.transient(queue)
        if transient is not None or reply_oid(queue) is not None:
            payload = None if transient is None else transient.take()
            if payload is None:
                raise Empty
            return self._transient_message(payload, transient)
        self._acker.flush(FLUSH_SECONDS)
        for each in self.directory.priority_queues(AmqpQueue(queue)):
            message = self._receive_one(each)
            if message is not None:
                return message
        raise Empty

    def _receive_one(self, queue: AmqpQueue) -> SqsMessage | None:
        while True:
            received = self._reception.receive(queue, max_messages=1, wait_seconds=GET_WAIT_SECONDS)
            if received.messages:
                return self._message(*received.messages[0])
            if not received.passed_over:
                return None

    def _message(self, received: ReceivedMessage, receipt: Receipt) -> SqsMessage:
        payload = received.payload
        properties = payload["properties"]
        properties["delivery_tag"] = self._new_received_tag()
        redelivered = received.redelivered(given_back_times=give_backs().times(received.message_id))
        properties["delivery_info"]["redelivered"] = redelivered or maybe_sent_before(
            received.message_attributes
        )
        if received.message_group_id is not None:
            # Whoever sent it, and however often it was retried: what the next retry inherits.
            properties["MessageGroupId"] = received.message_group_id
        return SqsMessage(payload, channel=self, receipt=receipt, received=received)
