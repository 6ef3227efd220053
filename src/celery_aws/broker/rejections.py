"""What becomes of rejected messages: gathers the facts, and asks ``core`` for the decision."""

import logging
from typing import cast

from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.broker.message import Receipt, SqsMessage
from celery_aws.clock import Clock
from celery_aws.core.rejection import BackoffPolicy, Rejection, rejection
from celery_aws.errors import AwsError
from celery_aws.names import AmqpQueue, QueueUrl

logger = logging.getLogger(__name__)

#: Seconds for which the answer is kept whether a queue has a redrive policy. A deleted message
#: does not come back, so a dead-letter queue added while workers run must be noticed soon.
REDRIVE_POLICY_SECONDS = 300.0


class Rejections:
    """Decides about the rejected messages of one connection; thread-safe."""

    def __init__(self, directory: QueueDirectory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        #: By queue: whether it has a redrive policy, and until when that is believed.
        self._dead_letters: dict[QueueUrl, tuple[bool, float]] = {}

    def decide(self, message: SqsMessage, *, requeue: bool) -> Rejection:
        """Return what becomes of a message that is rejected.

        Args:
            message: one that was received from SQS.
            requeue: it shall be tried again.

        Costs at most one GetQueueAttributes in five minutes for a queue, none with ``requeue``.
        """
        receipt = cast("Receipt", message.receipt)
        return rejection(
            requeue=requeue,
            task=message.headers.get("task"),
            receive_count=receipt.receive_count,
            policy=self._backoff_policy(receipt.queue),
            has_dead_letter_queue=not requeue and self._has_dead_letter_queue(receipt.address),
        )

    def _backoff_policy(self, queue: AmqpQueue) -> BackoffPolicy:
        predefined = self._directory.predefined(queue)
        if predefined is None:
            return BackoffPolicy()
        return BackoffPolicy(
            tasks=predefined.backoff_tasks, seconds_by_receive=predefined.backoff_policy
        )

    def _has_dead_letter_queue(self, address: QueueAddress) -> bool:
        now = self._clock.monotonic()
        found, believed_until = self._dead_letters.get(address.url, (False, now))
        if now < believed_until:
            return found
        try:
            found = "RedrivePolicy" in address.service.queue_attributes(
                address.url, ["RedrivePolicy"]
            )
        except AwsError as error:
            # Not knowing, the message is left: it comes again, where a deleted one would not.
            logger.warning("rejected messages are left in their queue for now: %s", error)
            found = True
        self._dead_letters[address.url] = (found, now + REDRIVE_POLICY_SECONDS)
        return found
