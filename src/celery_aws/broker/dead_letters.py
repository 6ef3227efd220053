"""What was rejected for good: finds its dead-letter queue, and moves it there.

Called by the thread that settles messages, never by Celery's. SQS has no move of one message: it
is sent to the dead-letter queue and then deleted from its own, in this order, so that a crash in
between may leave it in both and never in none. Facts: "Using dead-letter queues in Amazon SQS" in
the SQS developer guide; GetQueueUrl in the SQS API reference (QueueOwnerAWSAccountId).
"""

import logging
from dataclasses import dataclass
from enum import Enum

from celery_aws.broker.message import Receipt
from celery_aws.clock import Clock
from celery_aws.core.dead_letters import REDRIVE_POLICY, owner_and_name, redrive_policy
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.core.queue_names import is_fifo
from celery_aws.errors import AccessDeniedError, AwsError, NotFoundError, TemporaryError
from celery_aws.names import QueueUrl

logger = logging.getLogger(__name__)

#: Seconds for which is believed what a queue's redrive policy said. A deleted message does not
#: come back, so a dead-letter queue added while workers run must be noticed soon.
REDRIVE_POLICY_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A message that was rejected for good.

    Attributes:
        message: as SQS handed it out.
        move: to the dead-letter queue now; otherwise SQS moves it after its receives.
    """

    message: ReceivedMessage
    move: bool


class Disposal(Enum):
    """What became of a rejected message."""

    #: It is in the dead-letter queue: to be deleted from its own, but nothing that it points to.
    MOVED = "moved"
    #: Its queue has no dead-letter queue: to be deleted.
    UNWANTED = "unwanted"
    #: It stays: SQS hands it out again when its visibility timeout ends, and moves it after its
    #: receives.
    LEFT = "left"


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known of a queue's dead letters, and until when it is believed."""

    believed_until: float
    #: There is a redrive policy, or nobody can tell.
    exists: bool
    #: Where to, None if messages cannot be sent there.
    url: QueueUrl | None = None


class DeadLetters:
    """The dead-letter queues of the queues that one connection consumes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[QueueUrl, _Known] = {}
        self._warned: set[QueueUrl] = set()

    def dispose(self, receipt: Receipt, rejected: Rejected) -> Disposal:
        """Move the message if it shall be moved; never delete it.

        Args:
            receipt: says where it came from.
            rejected: the message.

        Raises:
            TemporaryError: ask again later; the message may be in the dead-letter queue already.

        Costs a GetQueueAttributes and a GetQueueUrl for a queue every five minutes, and a
        SendMessage for a message that is moved.
        """
        known = self._look_up(receipt)
        if not known.exists:
            return Disposal.UNWANTED
        if known.url is None or not rejected.move:
            return Disposal.LEFT
        return self._move(receipt, rejected.message, known.url)

    def _look_up(self, receipt: Receipt) -> _Known:
        url = receipt.address.url
        known = self._known.get(url)
        if known is None or known.believed_until <= self._clock.monotonic():
            known = self._known[url] = self._ask(receipt)
        return known

    def _ask(self, receipt: Receipt) -> _Known:
        believed_until = self._clock.monotonic() + REDRIVE_POLICY_SECONDS
        service, url = receipt.address.service, receipt.address.url
        try:
            policy = redrive_policy(
                service.queue_attributes(url, [REDRIVE_POLICY]).get(REDRIVE_POLICY)
            )
            if policy is None:
                return _Known(exists=False, believed_until=believed_until)
            owner, name = owner_and_name(policy.target)
            target = service.queue_url(name, owner=owner)
        except TemporaryError:
            raise
        except (AwsError, ValueError) as error:
            # Not knowing, the message is left: it comes again, where a deleted one would not.
            self._warn(receipt, error)
            return _Known(exists=True, believed_until=believed_until)
        return _Known(exists=True, believed_until=believed_until, url=target)

    def _move(self, receipt: Receipt, message: ReceivedMessage, target: QueueUrl) -> Disposal:
        try:
            receipt.address.service.send(target, _outgoing(message, target))
        except TemporaryError:
            raise
        except AwsError as error:
            self._warn(receipt, error)
            if isinstance(error, AccessDeniedError | NotFoundError):
                # So it would be with every other message.
                self._known[receipt.address.url] = _Known(
                    exists=True, believed_until=self._clock.monotonic() + REDRIVE_POLICY_SECONDS
                )
            return Disposal.LEFT
        logger.info(
            "queue %s: rejected message %s is now in %s",
            receipt.queue,
            message.message_id,
            target,
        )
        return Disposal.MOVED

    def _warn(self, receipt: Receipt, error: Exception) -> None:
        if receipt.address.url in self._warned:
            return
        self._warned.add(receipt.address.url)
        logger.warning(
            "queue %s: rejected messages cannot be moved to its dead-letter queue; they stay, are "
            "handed out again, and SQS moves them after as many receives as the redrive policy "
            "says. Grant sqs:GetQueueAttributes on the queue, sqs:GetQueueUrl and sqs:SendMessage "
            "on its dead-letter queue: %s",
            receipt.queue,
            error,
        )


def _outgoing(message: ReceivedMessage, target: QueueUrl) -> OutgoingMessage:
    return OutgoingMessage(
        body=message.body,
        message_group_id=message.message_group_id,
        # The same at every try: a reply that was lost makes no second message.
        message_deduplication_id=message.message_id if is_fifo(target) else None,
        message_attributes=message.message_attributes,
    )
