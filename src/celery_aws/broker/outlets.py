"""A queue as those see it that send batches to it: by its name, wherever it is now."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from celery_aws.aws.sqs import SendFailure
from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.large_messages import LargeMessages
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.queue_names import is_fifo
from celery_aws.errors import QueueNotFoundError, TemporaryError
from celery_aws.names import AmqpQueue, QueueName

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outlet:
    """One queue of one broker; equal to another one for the same queue.

    Attributes:
        queue: Celery's name of it.
        name: its name on AWS.
        directory: where it is.
        large_messages: sends what is too large for it.
    """

    queue: AmqpQueue
    name: QueueName
    directory: QueueDirectory
    large_messages: LargeMessages

    @property
    def fifo(self) -> bool:
        """True for a FIFO queue."""
        return is_fifo(self.name)

    def send_batch(self, messages: Sequence[OutgoingMessage]) -> list[SendFailure]:
        """Send up to 10 messages together; return those that are not known to be accepted.

        Raises:
            QueueNotFoundError: there is no such queue, or not yet; it is looked for the next time.
            AwsError: AWS refused all of them, or did not answer.

        Costs one SendMessageBatch; after a QueueNotFoundError also what
        :meth:`QueueDirectory.address` does.
        """
        try:
            address = self.directory.address(self.queue)
            return address.service.send_batch(address.url, messages)
        except QueueNotFoundError:
            self.directory.forget(self.queue)
            raise
        except TemporaryError:
            self.directory.lost()
            raise

    def send_alone(self, message: OutgoingMessage) -> None:
        """Send one message that was refused in a batch as if there had been none.

        Raises:
            MessageTooLargeError: that was why.
            AwsError: AWS refused or did not answer.

        Costs what :meth:`LargeMessages.send` does.
        """
        self.large_messages.send(self.directory.address(self.queue), message, queue=self.name)

    def drop(self, message: OutgoingMessage) -> None:
        """Clean up after a message that was not sent and will not be."""
        self.large_messages.discard(message)
