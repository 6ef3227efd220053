"""The channel's verbs on exchanges: declare, delete, bind, unbind, list.

Bindings are in the coordination table, where every process sees them. One is not written: that of a
queue to the direct exchange of its own name by its own name, which is how Celery declares every
queue that it makes by itself. Without a coordination table, bindings are this connection's own.
"""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

from celery_aws.broker.queues import QueueVerbs, without_table
from celery_aws.control.control_plane import ControlPlane
from celery_aws.control.transient_queues import TransientQueue
from celery_aws.core.control_messages import is_control_exchange, is_reply_exchange
from celery_aws.core.routing import Binding, ExchangeKind
from celery_aws.errors import AccessDeniedError, AwsError
from celery_aws.names import AmqpQueue
from celery_aws.process import PerProcess

logger = logging.getLogger(__name__)

#: Seconds for which a worker's start waits for its remote control: it comes later if need be.
CONTROL_WAIT_SECONDS = 5.0

#: Seconds for which others wait until a queue of theirs can be sent to.
BIND_WAIT_SECONDS = 30.0

_REMEDY = (
    "Grant dynamodb:Query and dynamodb:PutItem on this table to whoever binds queues to exchanges "
    "or publishes to exchanges by name, or set broker_transport_options['coordination_table'] to "
    "False"
)

_said: PerProcess[str, set[str]] = PerProcess()


def warn_once(about: str, error: AwsError) -> None:
    """Say, once a process, that bindings are known to this connection only."""
    said = _said.get("bindings", set)
    if about not in said:
        said.add(about)
        shown = error.with_remedy(_REMEDY) if isinstance(error, AccessDeniedError) else error
        logger.warning("%s: only what this connection has bound counts: %s", about, shown)


class ExchangeVerbs(QueueVerbs):
    """The part of the channel that deals with exchanges."""

    supports_fanout = True

    def exchange_declare(
        self,
        exchange: str | None = None,
        type: str = "direct",  # noqa: A002
        passive: bool = False,
        **kwargs: Any,
    ) -> None:
        """Declare an exchange; declared anew, it is what it was declared last.

        Raises:
            UnsupportedError: a fanout exchange, and there is no coordination table.

        Costs nothing: an exchange is what is bound to it.
        """
        if type == "fanout" and self.plane is None:
            raise without_table(f"exchange {exchange!r} is a fanout")
        known = self.state.exchanges.get(exchange)
        if known is not None and not passive:
            known.update(type=type or "direct")
            return
        super().exchange_declare(exchange=exchange, type=type, passive=passive, **kwargs)

    def exchange_delete(self, exchange: str, **_: Any) -> None:
        """Delete an exchange with all bindings to it; its queues stay.

        Costs one Query for all bindings, and what removing them costs.
        """
        if self.plane is not None:
            self.plane.unbind_shared(lambda binding: binding.exchange == exchange)
        self.state.exchanges.pop(exchange, None)

    def queue_bind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Any = None,
        **kwargs: Any,
    ) -> None:
        """Bind a queue to an exchange, for everybody to see.

        Raises:
            AwsError: it cannot be written; but the queue of a worker's remote control, which must
                not keep the worker from its tasks, is bound as soon as that works.

        Costs nothing for a queue of Celery's own making; else one Query, and if it is new one
        PutItem and what telling others costs. For a transient queue:
        :meth:`celery_aws.control.inbox_keeper.InboxKeeper.bind`.
        """
        exchange = exchange or "amq.direct"
        if is_reply_exchange(exchange):
            return
        kind = self._kind_of(exchange)
        self._decide(AmqpQueue(queue), bound_to=kind)
        transient = self.transient(queue)
        if transient is not None and self.plane is not None:
            self._bind_transient(self.plane, transient, exchange, kind, routing_key)
            return
        self.state.exchanges.setdefault(exchange, {"type": kind, "table": []})
        super().queue_bind(queue, exchange, routing_key, arguments, **kwargs)
        if self.plane is not None and not (kind == "direct" and exchange == queue == routing_key):
            binding = Binding(
                exchange=exchange, kind=kind, queue=AmqpQueue(queue), routing_key=routing_key
            )
            bind = partial(self._bind_shared, self.plane, binding)
            if self._in_event_loop:
                self.connection.declarations.submit(f"the binding of queue {queue}", bind)
            else:
                bind()

    def queue_unbind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Any = None,
        **kwargs: Any,
    ) -> None:
        """Undo :meth:`queue_bind`. One Query for all bindings, and what removing it costs."""
        exchange = exchange or "amq.direct"
        transient = self.transient(queue)
        if self.plane is not None and transient is not None:
            self.plane.keeper.unbind(transient, exchange=exchange, routing_key=routing_key)
            return
        super().queue_unbind(queue, exchange, routing_key, arguments, **kwargs)
        names = (exchange, queue, routing_key)
        if self.plane is not None:
            self.plane.unbind_shared(
                lambda each: (each.exchange, each.queue, each.routing_key) == names
            )

    def list_bindings(self) -> Iterator[tuple[str, str, str]]:
        """Yield queue, exchange and routing key of every binding. One Query for each MB."""
        own = [
            (queue, exchange, routing_key)
            for exchange in self.state.exchanges
            for routing_key, _, queue in self.get_table(exchange)
        ]
        shared = [] if self.plane is None else self.plane.all_bindings()
        yield from dict.fromkeys(
            [*own, *((each.queue, each.exchange, each.routing_key) for each in shared)]
        )

    def bindings(self, exchange: str) -> list[Binding]:
        """Return what is bound to an exchange.

        Raises:
            AwsError: that cannot be read now, and this connection has bound nothing to it.

        Costs nothing, or one Query; none for a while after one that failed, if this connection has
        bound something.
        """
        own, plane = self._own_bindings(exchange), self.plane
        if plane is None:
            return own
        if not own:
            return plane.bindings(exchange)
        try:
            with plane.leaving_table_alone():
                return [*plane.bindings(exchange), *own]
        except AwsError as error:
            warn_once(f"exchange {exchange}", error)
            return [*plane.known_bindings(exchange), *own]

    def _queue_bind(self, exchange: str, routing_key: str, pattern: Any, queue: str) -> None:
        """Nothing is bound but by :meth:`queue_bind`; kombu calls this as well."""

    def _kind_of(self, exchange: str) -> ExchangeKind:
        return cast("ExchangeKind", self.typeof(exchange).type)

    def _own_bindings(self, exchange: str) -> list[Binding]:
        kind = self._kind_of(exchange)
        rows = self.state.exchanges.get(exchange, {}).get("table", ())
        return [
            Binding(exchange=exchange, kind=kind, queue=AmqpQueue(queue), routing_key=key or "")
            for key, _, queue in rows
        ]

    def _bind_transient(
        self,
        plane: ControlPlane,
        queue: TransientQueue,
        exchange: str,
        kind: ExchangeKind,
        routing_key: str,
    ) -> None:
        of_control = is_control_exchange(exchange)
        try:
            plane.keeper.bind(
                queue,
                exchange=exchange,
                kind=kind,
                routing_key=routing_key,
                wait_seconds=self._patience_seconds(of_control=of_control),
            )
        except AwsError as error:
            if self._in_event_loop:
                return  # it is bound soon
            if not of_control:
                raise
            logger.warning("%s: no remote control yet, tasks are worked on: %s", queue.name, error)

    def _patience_seconds(self, *, of_control: bool = False) -> float:
        if self._in_event_loop:
            return 0.0
        return CONTROL_WAIT_SECONDS if of_control else BIND_WAIT_SECONDS

    def _make_known(self, plane: ControlPlane, queue: TransientQueue) -> None:
        """Let others find a transient queue by its name, unless it is bound to an exchange."""
        if not plane.keeper.is_bound(queue):
            self._bind_transient(plane, queue, "", "direct", queue.name)

    def _bind_shared(self, plane: ControlPlane, binding: Binding) -> None:
        if binding.kind == "fanout":
            # Nothing can be done without it.
            plane.bind_shared(binding)
            return
        try:
            with plane.leaving_table_alone():
                plane.bind_shared(binding)
        except AwsError as error:
            warn_once(f"exchange {binding.exchange}", error)
