"""Reads, sends and discards messages of parked tasks, for operators.

What sends them when their time has come is :mod:`celery_aws.schedule.outbox`.
"""

from dataclasses import replace

from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.large_messages import LargeMessages
from celery_aws.core.large_messages import POINTER_ATTRIBUTES
from celery_aws.core.queue_names import is_fifo
from celery_aws.core.schedule import ScheduledTask
from celery_aws.errors import QueueNotFoundError


class BrokerMessages:
    """:class:`~celery_aws.schedule.messages.ParkedMessages` of one broker.

    Args:
        directory: where its queues are.
        large_messages: sends and reads messages of any size.
    """

    def __init__(self, directory: QueueDirectory, large_messages: LargeMessages) -> None:
        self._directory = directory
        self._large_messages = large_messages

    def envelope(self, task: ScheduledTask) -> str:
        """Return what the publisher wrote."""
        return self._large_messages.read(task.message)

    def send(self, task: ScheduledTask, envelope: str) -> None:
        """Send ``envelope`` in place of what the publisher wrote, without a delay."""
        attributes = {
            name: value
            for name, value in task.message.message_attributes.items()
            if name not in POINTER_ATTRIBUTES
        }
        message = replace(
            task.message,
            body=envelope,
            message_attributes=attributes,
            # Not None, which would be the queue's own delay.
            delay_seconds=None if is_fifo(task.queue_url) else 0,
        )
        name = self._directory.name(task.queue)
        address = self._directory.at(task.queue, task.queue_url)
        try:
            self._large_messages.send(address, message, queue=name)
        except QueueNotFoundError:
            # It was deleted, and may have been made again elsewhere.
            self._directory.forget(task.queue)
            self._large_messages.send(self._directory.address(task.queue), message, queue=name)

    def discard(self, task: ScheduledTask) -> None:
        """Delete what was kept in S3 for a message that nobody will send."""
        self._large_messages.discard(task.message)
