"""A message of a dead-letter queue, as SQS hands it out."""

from dataclasses import dataclass
from datetime import datetime

from celery_aws.core.messages import ReceivedMessage
from celery_aws.names import QueueArn


@dataclass(frozen=True, kw_only=True)
class BuriedMessage:
    """A message, and what SQS says of its life before.

    Attributes:
        message: as it was received; its ``sent_at`` is when it was first sent, but in a FIFO queue
            when it came here.
        source: the queue that SQS moved it from; None if somebody sent it here, as a worker does
            with what it rejects for good.
        first_received_at: when it was received for the first time, by SQS's clock; None if SQS does
            not say.
    """

    message: ReceivedMessage
    source: QueueArn | None = None
    first_received_at: datetime | None = None

    @property
    def message_id(self) -> str:
        """SQS's id of the message in this queue."""
        return self.message.message_id
