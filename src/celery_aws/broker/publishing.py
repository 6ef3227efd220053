"""The channel's way out: one message is one request, and has returned when AWS has it.

When it goes: :mod:`celery_aws.broker.departures`. What it may weigh:
:mod:`celery_aws.broker.large_messages`.
"""

from typing import Any

from kombu.utils.uuid import uuid

from celery_aws.broker.control_commands import remember_revoke, warn_of_revokes
from celery_aws.broker.creation import NEW_QUEUE_PAUSES_SECONDS
from celery_aws.broker.current_task import group_of_current_task
from celery_aws.broker.departures import Departures, Destination
from celery_aws.broker.queues import QueueVerbs, refused_fanout
from celery_aws.clock import Clock
from celery_aws.core.compression import compressed
from celery_aws.core.envelope import encode_body
from celery_aws.core.outgoing import outgoing_message
from celery_aws.core.task_eta import TaskTiming, task_timing
from celery_aws.errors import QueueNotFoundError, TemporaryError
from celery_aws.names import AmqpQueue


class Publishing(QueueVerbs):
    """The part of the channel that sends."""

    _clock: Clock
    _departures: Departures

    def basic_publish(
        self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any
    ) -> Any:
        """Send a message, or park it; to every queue that is bound.

        A control command that revokes tasks is remembered, and sent to nobody yet.

        Raises:
            UnsupportedError: another control command.

        Costs: see :meth:`Departures.send` and :func:`remember_revoke`.
        """
        if self.typeof(exchange).type == "fanout":
            return self._publish_control(message, exchange)
        # Read while the body is what Celery's serializer made.
        timing = task_timing(message)
        return super().basic_publish(message, exchange, routing_key, timing=timing, **kwargs)

    def _publish_control(self, message: dict[str, Any], exchange: str) -> None:
        coordination = self.connection.coordination
        if coordination is None or not remember_revoke(message, coordination):
            raise refused_fanout(exchange)
        warn_of_revokes()

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
        self, queue: str, message: dict[str, Any], timing: TaskTiming | None = None, **_: Any
    ) -> None:
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
        for pause_seconds in (*NEW_QUEUE_PAUSES_SECONDS, None):
            address = self.directory.address(name)
            destination = Destination(queue=name, name=queue_name, address=address)
            try:
                self._departures.send(destination, outgoing, timing)
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
