"""The channel's way out: a message that was published is with AWS, or it is an event.

Where it goes: :mod:`celery_aws.broker.exchanges`. When: :mod:`celery_aws.broker.departures`. What
it may weigh: :mod:`celery_aws.broker.large_messages`. Control commands, their replies and
events go through the control plane (:mod:`celery_aws.control.control_plane`).
"""

import logging
import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

from kombu.utils.uuid import uuid

from celery_aws.broker.control_commands import HELLO, remember_revoke, say_hello
from celery_aws.broker.creation import NEW_QUEUE_PAUSES_SECONDS
from celery_aws.broker.current_task import group_of_current_task
from celery_aws.broker.departures import Departures, Destination
from celery_aws.broker.exchanges import ExchangeVerbs
from celery_aws.broker.outlets import Outlet
from celery_aws.broker.publish_batch import PublishBatch
from celery_aws.broker.queues import without_table
from celery_aws.clock import Clock
from celery_aws.control.control_plane import ControlPlane
from celery_aws.control.event_sender import Event
from celery_aws.core.compression import compressed
from celery_aws.core.control_messages import (
    control_command,
    is_control_exchange,
    is_reply_exchange,
)
from celery_aws.core.envelope import encode_body
from celery_aws.core.outgoing import outgoing_message
from celery_aws.core.publish_retries import publish_retries
from celery_aws.core.routing import Binding, targets
from celery_aws.core.task_eta import TaskTiming, task_timing
from celery_aws.errors import (
    AccessDeniedError,
    AwsError,
    QueueNotFoundError,
    TemporaryError,
)
from celery_aws.names import AmqpQueue
from celery_aws.publish_scope import PublishScope, current_scope

logger = logging.getLogger(__name__)

#: AMQP's delivery mode of what need not survive: Celery's events.
_TRANSIENT = 1

#: The header of an event that names who sends it.
_HOSTNAME = "hostname"


class Publishing(ExchangeVerbs):
    """The part of the channel that sends."""

    _clock: Clock
    _departures: Departures

    def basic_publish(
        self, message: dict[str, Any] | str, exchange: str, routing_key: str, **kwargs: Any
    ) -> None:
        """Send a message, or park it; to every queue that is bound.

        Args:
            message: as kombu prepares it; or a bare text, as ``celery amqp basic.publish`` has it.
            exchange: its name.
            routing_key: for the exchange.
            **kwargs: what AMQP has besides, which is nothing here.

        Raises:
            UnsupportedError: the exchange is a fanout, and there is no coordination table.
            AwsError: AWS refused, or who is bound cannot be read.

        A task that is published in a batch (:mod:`celery_aws.publish_scope`) is collected, and only
        parked or put into S3 when this returns.

        Costs: see :meth:`Departures.send`, and in a batch :meth:`PublishBatch.add`; for an
        exchange by name what :meth:`celery_aws.broker.exchanges.ExchangeVerbs.bindings` costs; for
        transient queues :meth:`celery_aws.control.control_plane.ControlPlane.send`. An event costs
        nothing here.
        """
        prepared: dict[str, Any] = (
            self.prepare_message(message) if isinstance(message, str) else message
        )
        plane = self.plane
        if plane is None and self._kind_of(exchange) == "fanout":
            raise without_table(f"exchange {exchange!r} is a fanout")
        if plane is not None and is_reply_exchange(exchange):
            self._inplace_augment_message(prepared, exchange, routing_key)
            plane.replies.put(routing_key, prepared)
        elif plane is not None and is_control_exchange(exchange):
            self._publish_command(plane, prepared, exchange, routing_key)
        elif plane is not None and self._is_event(prepared, exchange):
            self._publish_event(plane, prepared, exchange, routing_key)
        else:
            self._publish(prepared, exchange, routing_key, **kwargs)

    def _publish(
        self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any
    ) -> None:
        # Read while the body is what Celery's serializer made.
        timing = task_timing(message)
        self._make_reply_queue_known(message)
        bound = targets(self.bindings(exchange), routing_key, choose=_any) if exchange else ()
        self._inplace_augment_message(message, exchange, routing_key)
        if not exchange or (not bound and self._is_queue_of_its_own(exchange, routing_key)):
            self._put(routing_key, message, timing=timing, **kwargs)
            return
        transient = [each for each in bound if each.transient]
        if transient and self.plane is not None:
            self.plane.send(transient, message)
        for binding in bound:
            if not binding.transient:
                self._put(binding.queue, message, timing=timing, **kwargs)
        if not bound:
            self._publish_unrouted(message, exchange, routing_key, timing=timing, **kwargs)

    def _publish_unrouted(
        self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any
    ) -> None:
        # Only for direct exchanges, as kombu does (kombu/transport/virtual/exchange.py).
        if self.deadletter_queue and self._kind_of(exchange) == "direct":
            self._put(self.deadletter_queue, message, **kwargs)
        else:
            logger.debug("nobody is bound to exchange %s by %r", exchange, routing_key)

    def _publish_command(
        self, plane: ControlPlane, message: dict[str, Any], exchange: str, routing_key: str
    ) -> None:
        command = control_command(message)
        if self.connection.coordination is not None:
            remember_revoke(command, self.connection.coordination)
        self._inplace_augment_message(message, exchange, routing_key)

        def send() -> None:
            for queue in plane.send_command(command, exchange, routing_key, message):
                self._put(queue, message)

        if command.method == HELLO:
            say_hello(send)
        else:
            send()

    def _publish_event(
        self, plane: ControlPlane, message: dict[str, Any], exchange: str, routing_key: str
    ) -> None:
        plane.publish_event(Event(exchange=exchange, routing_key=routing_key, message=message))
        shared = targets(plane.shared_bindings(exchange), routing_key, choose=_any)
        if shared:
            self._inplace_augment_message(message, exchange, routing_key)
        for binding in shared:
            self._put(binding.queue, message)

    def _is_event(self, message: Mapping[str, Any], exchange: str) -> bool:
        # Tasks may be transient too, and are not to be lost. Only events say in their headers whose
        # they are (celery/events/dispatcher.py).
        headers = message.get("headers") or {}
        mode = message["properties"].get("delivery_mode")
        of_a_node = _HOSTNAME in headers and "task" not in headers
        return mode == _TRANSIENT and of_a_node and self._kind_of(exchange) == "topic"

    def _is_queue_of_its_own(self, exchange: str, routing_key: str) -> bool:
        """Tell whether it is a queue that Celery declared elsewhere, with its unwritten binding."""
        if exchange != routing_key or self._kind_of(exchange) != "direct":
            return False
        name = AmqpQueue(exchange)
        return self.directory.known(name) or self.directory.find(name) is not None

    def _make_reply_queue_known(self, message: Mapping[str, Any]) -> None:
        """Let the results of ``rpc://`` find the queue that the task names."""
        reply_to = message["properties"].get("reply_to")
        queue = self.transient(reply_to) if reply_to else None
        if queue is not None and self.plane is not None:
            self._make_known(self.plane, queue)

    def _inplace_augment_message(
        self, message: dict[str, Any], exchange: str, routing_key: str
    ) -> None:
        options = self.directory.options
        message.update(
            compressed(
                message,
                method=options.compression,
                threshold_bytes=options.compression_threshold_bytes,
            )
        )
        message["body"], encoding = encode_body(message["body"])
        properties = message["properties"]
        properties.update(body_encoding=encoding, delivery_tag=self._next_delivery_tag())
        properties["delivery_info"].update(exchange=exchange, routing_key=routing_key)

    def _put(
        self,
        queue: str,
        message: dict[str, Any],
        timing: TaskTiming | None = None,
        publish_batch: PublishBatch | None = None,
        **_: Any,
    ) -> None:
        if self._put_into_transient(AmqpQueue(queue), message):
            return
        priority = self._get_message_priority(message)
        priorities = self.directory.priorities(AmqpQueue(queue))
        name = priorities.queue_for(AmqpQueue(queue), priority)
        queue_name = self.directory.name(name)
        outgoing = outgoing_message(
            message,
            queue=queue_name,
            as_base64=self.directory.options.sqs_base64_encoding,
            inherited_group=group_of_current_task(message.get("headers") or {}),
            new_deduplication_id=uuid,
        )
        batch = publish_batch or self._batch_of(timing)
        deliver = None
        if batch is not None:
            outlet = Outlet(
                queue=name,
                name=queue_name,
                directory=self.directory,
                large_messages=self.connection.large_messages,
            )
            deliver = partial(batch.add, outlet, _id_of(message, timing))
        for pause_seconds in (*NEW_QUEUE_PAUSES_SECONDS, None):
            address = self.directory.address(name)
            destination = Destination(queue=name, name=queue_name, address=address)
            try:
                self._departures.send(destination, outgoing, timing, deliver)
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

    def _batch_of(self, timing: TaskTiming | None) -> PublishBatch | None:
        """Return what a task is collected in, if it is published in a batch."""
        scope = current_scope()
        if scope is None or timing is None:
            return None
        if scope.of_group and not self.directory.options.batch_groups:
            return None
        return cast("PublishBatch | None", scope.batch(self._new_batch))

    def _new_batch(self, scope: PublishScope) -> PublishBatch:
        return PublishBatch(
            publish_retries(*scope.retry_settings()), self._clock, lingers=lambda: not scope.lazy
        )

    def _put_into_transient(self, queue: AmqpQueue, message: Mapping[str, Any]) -> bool:
        """Send a message to a queue that is in some process's memory; False if there is none.

        Looked for only where SQS has no queue of that name: nearly every message is for one that is
        known. The result of an ``rpc://`` task whose client is gone is dropped, as a broker does.
        """
        plane = self.plane
        if plane is None or (self.transient(queue) is None and self.directory.known(queue)):
            return False
        if _is_result(message):
            return self._put_result(plane, queue, message)
        if not plane.is_elsewhere(queue) and self.directory.find(queue) is not None:
            return False
        try:
            return plane.send_to_queue(queue, message)
        except TemporaryError:
            raise
        except AwsError as error:
            logger.debug("queue %s is looked for on SQS only: %s", queue, error)
            return False

    def _put_result(
        self, plane: ControlPlane, queue: AmqpQueue, message: Mapping[str, Any]
    ) -> bool:
        try:
            # First: a worker need not have rights on queues of whatever name.
            sent = plane.send_to_queue(queue, message)
        except AwsError:
            if self._is_on_sqs(queue):
                return False
            raise
        return sent or not self._is_on_sqs(queue)

    def _is_on_sqs(self, queue: AmqpQueue) -> bool:
        try:
            return self.directory.find(queue) is not None
        except AccessDeniedError:
            return False


def _id_of(message: Mapping[str, Any], timing: TaskTiming | None) -> str:
    """Return what an error names a message by: the id of its task, if it is one."""
    properties = message["properties"]
    task_id = None if timing is None else timing.task_id
    return str(task_id or properties.get("correlation_id") or properties["delivery_tag"])


def _any(several: Sequence[Binding]) -> Binding:
    return random.choice(several)  # noqa: S311 - no secret


def _is_result(message: Mapping[str, Any]) -> bool:
    """Tell whether a message answers another one, as the results of ``rpc://`` do."""
    properties = message["properties"]
    is_task = "task" in (message.get("headers") or {})
    return bool(properties.get("correlation_id")) and not is_task and not properties.get("reply_to")
