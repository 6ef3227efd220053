"""What was rejected for good: finds its dead-letter queue, and moves it there.

An errand (:mod:`celery_aws.broker.errands`) of the thread that settles messages. Facts: "Using
dead-letter queues in Amazon SQS" in the SQS developer guide; GetQueueUrl in the SQS API reference
(QueueOwnerAWSAccountId).
"""

import logging
from dataclasses import dataclass

from celery_aws.broker.errands import Disposal
from celery_aws.broker.message import Receipt
from celery_aws.broker.queue_attributes import FACTS_SECONDS, queue_attributes
from celery_aws.clock import Clock
from celery_aws.core.dead_letters import owner_and_name
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.outgoing import message_sent_on
from celery_aws.core.queue_facts import QueueFacts
from celery_aws.errors import AccessDeniedError, AwsError, NotFoundError, TemporaryError
from celery_aws.names import QueueArn, QueueUrl

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A message that was rejected for good.

    Attributes:
        message: as SQS handed it out.
        move: to the dead-letter queue now; otherwise SQS moves it after its receives.
    """

    message: ReceivedMessage
    move: bool


@dataclass(frozen=True, kw_only=True)
class _Target:
    """Where a queue's dead letters go, and until when that is believed."""

    arn: QueueArn
    believed_until: float
    #: None if messages cannot be sent there.
    url: QueueUrl | None

    def holds(self, arn: QueueArn, now: float) -> bool:
        """Tell whether it is still the one to go by, if the redrive policy now says ``arn``."""
        return self.arn == arn and now < self.believed_until


class DeadLetters:
    """The dead-letter queues of the queues that one connection consumes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._attributes = queue_attributes(clock)
        #: By the URL of the queue that the dead letters come from.
        self._targets: dict[QueueUrl, _Target] = {}
        self._warned: set[QueueUrl] = set()

    def dispose(self, receipt: Receipt, rejected: Rejected) -> Disposal:
        """Move the message if it shall be moved; never delete it.

        What is left in its queue SQS moves after its receives; what has no dead-letter queue is
        unwanted.

        Args:
            receipt: says where it came from.
            rejected: the message.

        Raises:
            TemporaryError: ask again later; the message may be in the dead-letter queue already.

        Costs a GetQueueAttributes (:mod:`celery_aws.broker.queue_attributes`) and a GetQueueUrl
        for a queue every five minutes, and a SendMessage for a message that is moved.
        """
        facts = self._facts(receipt)
        if facts.refusal is not None:
            # Not knowing, the message is left: it comes again, where a deleted one would not.
            self._warn(receipt, facts.refusal)
            return Disposal.LEFT
        if facts.redrive_policy is None:
            return Disposal.UNWANTED
        target = self._target(receipt, facts.redrive_policy.target)
        if target.url is None or not rejected.move:
            return Disposal.LEFT
        return self._move(receipt, rejected.message, target.arn, target.url)

    def _facts(self, receipt: Receipt) -> QueueFacts:
        try:
            return self._attributes.facts(receipt.address)
        except TemporaryError:
            raise
        except AwsError as error:
            return QueueFacts(refusal=str(error))

    def _target(self, receipt: Receipt, arn: QueueArn) -> _Target:
        known = self._targets.get(receipt.address.url)
        if known is not None and known.holds(arn, self._clock.monotonic()):
            return known
        return self._remember(receipt, arn, self._look_up(receipt, arn))

    def _look_up(self, receipt: Receipt, arn: QueueArn) -> QueueUrl | None:
        try:
            owner, name = owner_and_name(arn)
            return receipt.address.service.queue_url(name, owner=owner)
        except TemporaryError:
            raise
        except (AwsError, ValueError) as error:
            self._warn(receipt, error)
            return None

    def _remember(self, receipt: Receipt, arn: QueueArn, url: QueueUrl | None) -> _Target:
        target = _Target(arn=arn, url=url, believed_until=self._clock.monotonic() + FACTS_SECONDS)
        self._targets[receipt.address.url] = target
        return target

    def _move(
        self, receipt: Receipt, message: ReceivedMessage, arn: QueueArn, target: QueueUrl
    ) -> Disposal:
        try:
            receipt.address.service.send(target, message_sent_on(message, target))
        except TemporaryError:
            raise
        except AwsError as error:
            self._warn(receipt, error)
            if isinstance(error, AccessDeniedError | NotFoundError):
                # So it would be with every other message.
                self._remember(receipt, arn, None)
            return Disposal.LEFT
        logger.info(
            "queue %s: rejected message %s is now in %s",
            receipt.queue,
            message.message_id,
            target,
        )
        return Disposal.MOVED

    def _warn(self, receipt: Receipt, reason: Exception | str) -> None:
        if receipt.address.url in self._warned:
            return
        self._warned.add(receipt.address.url)
        logger.warning(
            "queue %s: rejected messages cannot be moved to its dead-letter queue; they stay, are "
            "handed out again, and SQS moves them after as many receives as the redrive policy "
            "says. Grant sqs:GetQueueAttributes on the queue, sqs:GetQueueUrl and sqs:SendMessage "
            "on its dead-letter queue: %s",
            receipt.queue,
            reason,
        )
