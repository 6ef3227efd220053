"""The channel's verbs on queues: declare, delete, purge, count.

A queue is on SQS, found and created by the directory, or in the memory of this process, fed by its
inbox (:mod:`celery_aws.core.queue_traits`). Queues of replies to control commands are partitions of
the coordination table, and need no declaration. What this transport cannot carry is refused here,
by name, before a message could get lost in it.
"""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from amqp.exceptions import NotFound
from kombu.transport import virtual
from kombu.transport.base import to_rabbitmq_queue_arguments
from kombu.transport.virtual.base import queue_declare_ok_t
from kombu.utils.uuid import uuid

from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.control.control_plane import ControlPlane
from celery_aws.control.transient_queues import TransientQueue
from celery_aws.core.control_messages import reply_oid
from celery_aws.core.queue_traits import Home, QueueTraits
from celery_aws.core.routing import ExchangeKind
from celery_aws.errors import AwsError, UnsupportedError
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

_WITHOUT_TABLE = (
    "{what}: remote control, events, Broadcast queues and rpc:// results need the coordination "
    "table, and broker_transport_options['coordination_table'] is False. Remove that option, or "
    "use durable queues, direct or topic exchanges, and aws+dynamodb:// for results"
)


def without_table(what: str) -> UnsupportedError:
    """Return why something is refused if there is no coordination table."""
    return UnsupportedError(_WITHOUT_TABLE.format(what=what))


class QueueVerbs(virtual.Channel):
    """The part of the channel that deals with queues."""

    #: Auto-delete queues that were declared, and not bound yet: an exchange decides where they are.
    _undecided: dict[AmqpQueue, QueueTraits]

    @property
    def directory(self) -> QueueDirectory:
        """Where the queues are."""
        return cast("QueueDirectory", self.connection.directory)

    @property
    def plane(self) -> ControlPlane | None:
        """Transient queues, bindings and who sends to them; None without coordination table."""
        return cast("ControlPlane | None", self.connection.control_plane)

    def prepare_queue_arguments(self, arguments: Any, **kwargs: Any) -> Any:
        """Keep ``expires`` and the like, by the names that RabbitMQ gave them."""
        return to_rabbitmq_queue_arguments(arguments or {}, **kwargs)

    def queue_declare(
        self,
        queue: str | None = None,
        passive: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
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
            UnsupportedError: a queue that expires, and there is no coordination table.

        Costs nothing for a transient queue: it is made known when it is bound, or consumed. Else
        one GetQueueUrl the first time, and a CreateQueue if the queue is missing; with
        ``passive`` one GetQueueUrl and one GetQueueAttributes each time; all of it for each
        priority.
        """
        name = AmqpQueue(queue or f"amq.gen-{uuid()}")
        arguments = arguments or {}
        transient = self.transient(name)
        if passive:
            if transient is not None:
                return queue_declare_ok_t(name, transient.size(), transient.consumers)
            count = 0 if reply_oid(name) else self._declare_passive(name)
            return queue_declare_ok_t(name, count, 0)
        if reply_oid(name) is None:
            traits = QueueTraits.of(
                exclusive=exclusive, auto_delete=auto_delete, arguments=arguments
            )
            self._declare(name, traits, arguments)
        return queue_declare_ok_t(name, 0, 0)

    def transient(self, queue: str) -> TransientQueue | None:
        """Return the transient queue of this name, if this process has it."""
        return None if self.plane is None else self.plane.queues.find(AmqpQueue(queue))

    def queue_delete(
        self,
        queue: str,
        if_unused: bool = False,
        if_empty: bool = False,
        **_: Any,
    ) -> None:
        """Delete the queue with all its messages; a missing one is no error.

        Its dead-letter queue stays, with what is in it. Its bindings go. With ``if_unused`` a
        transient queue stays while it has consumers; those of others nobody knows.

        Costs one DeleteQueue, one Query for all bindings, and what removing them costs.
        """
        name = AmqpQueue(queue)
        if reply_oid(name) is not None:
            return
        if if_empty and self._size(name):
            return
        transient = self.transient(name)
        if transient is not None and if_unused and transient.consumers:
            return
        self._undecided.pop(name, None)
        if transient is not None and self.plane is not None:
            self.plane.drop(transient)
        else:
            self._delete(name)
            self._forget_bindings(name)
        self.state.queue_bindings_delete(queue)
        for exchange in self.state.exchanges.values():
            exchange["table"] = [row for row in exchange["table"] if row[-1] != queue]

    def after_reply_message_received(self, queue: str) -> None:
        """Keep the queue of replies; kombu would delete it after each command."""

    def _declare(self, name: AmqpQueue, traits: QueueTraits, arguments: Mapping[str, Any]) -> None:
        home = traits.home
        if self.plane is None and traits.expires_seconds is not None:
            raise without_table(f"queue {name!r} expires")
        if self.plane is not None and (home is Home.MEMORY or self.transient(name) is not None):
            self.plane.queues.declare(name, traits)
            if traits.exclusive:
                self.connection.exclusive_queues.add(name)
            return
        if "x-max-priority" in arguments:
            self.directory.set_max_priority(name, arguments["x-max-priority"])
        if self.plane is not None and home is Home.BY_BINDING and not self.directory.known(name):
            self._undecided[name] = traits
        else:
            self._make_sure(name)

    def _decide(self, name: AmqpQueue, *, bound_to: ExchangeKind) -> None:
        traits = self._undecided.pop(name, None)
        if traits is None or self.plane is None:
            return
        if bound_to == "fanout":
            self.plane.queues.declare(name, traits)
        else:
            self._make_sure(name)

    @property
    def _in_event_loop(self) -> bool:
        """True if nothing may wait for AWS here: the worker's loop turns already."""
        return bool(self.connection.in_event_loop)

    def _make_sure(self, name: AmqpQueue) -> None:
        """Let a queue exist on SQS: now, or soon."""
        if not self._in_event_loop:
            self.directory.declare(name)
            return
        self.directory.check(name)
        if not all(map(self.directory.known, self.directory.priority_queues(name))):
            declare = partial(self.directory.declare, name)
            self.connection.declarations.submit(f"queue {name}", declare)

    def _forget_bindings(self, queue: AmqpQueue) -> None:
        if self.plane is None:
            return
        try:
            self.plane.unbind_shared(lambda binding: binding.queue == queue)
        except AwsError as error:
            logger.warning("bindings of the deleted queue %s may be left: %s", queue, error)

    def _declare_passive(self, queue: AmqpQueue) -> int:
        self._decide(queue, bound_to="direct")
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
        return (
            self.transient(queue) is not None or self.directory.find(AmqpQueue(queue)) is not None
        )

    def _new_queue(self, queue: str, **_: Any) -> None:
        self.directory.address(AmqpQueue(queue))

    def _size(self, queue: str) -> int:
        transient = self.transient(queue)
        if transient is not None:
            return transient.size()
        return sum(_visible_messages(address) for address in self._addresses(queue))

    def _purge(self, queue: str) -> int:
        transient = self.transient(queue)
        if transient is not None:
            return transient.purge()
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
