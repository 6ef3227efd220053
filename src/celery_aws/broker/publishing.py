"""The channel's way out: one message is one SendMessage, and has returned when SQS has it."""

from typing import Any

from kombu.utils.uuid import uuid

from celery_aws.broker.creation import NEW_QUEUE_PAUSES_SECONDS
from celery_aws.broker.current_task import group_of_current_task
from celery_aws.broker.queues import QueueVerbs
from celery_aws.clock import Clock
from celery_aws.core.envelope import encode_body
from celery_aws.core.outgoing import outgoing_message
from celery_aws.errors import QueueNotFoundError, TemporaryError
from celery_aws.names import AmqpQueue


class Publishing(QueueVerbs):
    """The part of the channel that sends."""

    _clock: Clock

    def _inplace_augment_message(
        self, message: dict[str, Any], exchange: str, routing_key: str
    ) -> None:
        message["body"], encoding = encode_body(message["body"])
        properties = message["properties"]
        properties.update(body_encoding=encoding, delivery_tag=self._next_delivery_tag())
        properties["delivery_info"].update(exchange=exchange, routing_key=routing_key)

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        priority = self._get_message_priority(message)
        priorities = self.directory.priorities(AmqpQueue(queue))
        name = priorities.queue_for(AmqpQueue(queue), priority)
        outgoing = outgoing_message(
            message,
            queue=self.directory.name(name),
            as_base64=self.directory.options.sqs_base64_encoding,
            inherited_group=group_of_current_task(message.get("headers") or {}),
            new_deduplication_id=uuid,
        )
        for pause_seconds in (*NEW_QUEUE_PAUSES_SECONDS, None):
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
