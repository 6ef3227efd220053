"""The channel's way out: one message is one SendMessage, and has returned when SQS has it.

What a message may weigh: :mod:`celery_aws.broker.large_messages`.
"""

from typing import Any

from kombu.utils.uuid import uuid

from celery_aws.broker.creation import NEW_QUEUE_PAUSES_SECONDS
from celery_aws.broker.current_task import group_of_current_task
from celery_aws.broker.large_messages import LargeMessages
from celery_aws.broker.queues import QueueVerbs
from celery_aws.clock import Clock
from celery_aws.core.compression import compressed
from celery_aws.core.envelope import encode_body
from celery_aws.core.outgoing import outgoing_message
from celery_aws.errors import QueueNotFoundError, TemporaryError
from celery_aws.names import AmqpQueue


class Publishing(QueueVerbs):
    """The part of the channel that sends."""

    _clock: Clock
    _large_messages: LargeMessages

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

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
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
            try:
                self._large_messages.send(address, outgoing, queue=queue_name)
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
