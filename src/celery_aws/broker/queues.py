"""The channel's verbs on exchanges and queues: declare, delete, purge, count.

Exchanges live in the connection that declares them (kombu's virtual base); queues are SQS
queues, found and created by the directory. What this transport cannot carry is refused here,
by name, before a message could get lost in it.
"""

from collections.abc import Mapping
from typing import Any, cast

from amqp.exceptions import NotFound
from kombu.transport import virtual
from kombu.transport.base import to_rabbitmq_queue_arguments
from kombu.transport.virtual.base import queue_declare_ok_t
from kombu.utils.uuid import uuid

from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.core.control_messages import is_control_exchange
from celery_aws.errors import UnsupportedError
from celery_aws.names import AmqpQueue

_NOT_YET = (
    "{what}: remote control, events, Broadcast queues and rpc:// results are not carried by "
    "aws+sqs:// yet. Use durable queues and direct or topic exchanges, and aws+dynamodb:// for "
    "results"
)


def refused_fanout(exchange: str | None) -> UnsupportedError:
    """Return why nothing is published to a fanout exchange."""
    return UnsupportedError(_NOT_YET.format(what=f"exchange {exchange!r} is a fanout"))


class QueueVerbs(virtual.Channel):
    """The part of the channel that deals with exchanges and queues."""

    @property
    def directory(self) -> QueueDirectory:
        """Where the queues are."""
        return cast("QueueDirectory", self.connection.directory)

    def exchange_declare(
        self,
        exchange: str | None = None,
        type: str = "direct",  # noqa: A002
        **kwargs: Any,
    ) -> None:
        """Declare an exchange for this connection.

        Raises:
            UnsupportedError: a fanout exchange, which would swallow every message; but for that of
                control commands if there is a coordination table, where revokes are remembered.
        """
        if type == "fanout" and not self._hears_of_revokes(exchange or ""):
            raise refused_fanout(exchange)
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

        A queue with priorities (``x-max-priority``, or the option ``priority_steps``) is several
        SQS queues; this and every other verb is for all of them.

        Raises:
            NotFound: with ``passive``, there is no such queue.
            QueueNotFoundError: it is missing and may not be created.
            UnsupportedError: a queue that expires, as those of control, events and rpc:// do.

        Costs one GetQueueUrl the first time, and a CreateQueue if the queue is missing; with
        ``passive`` one GetQueueUrl and one GetQueueAttributes each time; all of it for each
        priority.
        """
        name = AmqpQueue(queue or f"amq.gen-{uuid()}")
        arguments = arguments or {}
        if "x-max-priority" in arguments:
            self.directory.set_max_priority(name, arguments["x-max-priority"])
        if passive:
            return queue_declare_ok_t(name, self._declare_passive(name), 0)
        if "x-expires" in arguments:
            raise UnsupportedError(_NOT_YET.format(what=f"queue {name!r} expires"))
        self.directory.declare(name)
        return queue_declare_ok_t(name, 0, 0)

    def queue_delete(
        self,
        queue: str,
        if_unused: bool = False,  # noqa: ARG002 - SQS does not know its consumers
        if_empty: bool = False,
        **_: Any,
    ) -> None:
        """Delete the queue with all its messages; a missing one is no error.

        Its dead-letter queue stays, with what is in it.
        """
        name = AmqpQueue(queue)
        if if_empty and self._size(name):
            return
        self._delete(name)
        self.state.queue_bindings_delete(queue)
        for exchange in self.state.exchanges.values():
            exchange["table"] = [row for row in exchange["table"] if row[-1] != queue]

    def _hears_of_revokes(self, exchange: str) -> bool:
        return is_control_exchange(exchange) and self.connection.coordination is not None

    def _declare_passive(self, queue: AmqpQueue) -> int:
        count = 0
        for each in self.directory.priority_queues(queue):
            address = self.directory.find(each)
            if address is None:
                raise NotFound(
                    f"NOT_FOUND - no queue {self.directory.name(each)!r} on SQS",
                    (50, 10),
                    "Channel.queue_declare",
                )
            count += _visible_messages(address)
        return count

    def _has_queue(self, queue: str, **_: Any) -> bool:
        return self.directory.find(AmqpQueue(queue)) is not None

    def _new_queue(self, queue: str, **_: Any) -> None:
        self.directory.address(AmqpQueue(queue))

    def _size(self, queue: str) -> int:
        return sum(_visible_messages(address) for address in self._addresses(queue))

    def _purge(self, queue: str) -> int:
        count = 0
        for address in self._addresses(queue):
            count += _visible_messages(address)
            address.service.purge_queue(address.url)
        return count

    def _delete(self, queue: str, *_: Any, **__: Any) -> None:
        for name in self.directory.priority_queues(AmqpQueue(queue)):
            try:
                address = self.directory.find(name)
                if address is not None:
                    address.service.delete_queue(address.url)
            finally:
                self.directory.forget(name)

    def _addresses(self, queue: str) -> list[QueueAddress]:
        queues = self.directory.priority_queues(AmqpQueue(queue))
        return [self.directory.address(each) for each in queues]


def _visible_messages(address: QueueAddress) -> int:
    wanted = "ApproximateNumberOfMessages"
    return int(address.service.queue_attributes(address.url, [wanted])[wanted])
