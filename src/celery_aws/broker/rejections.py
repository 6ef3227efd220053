"""What becomes of rejected messages: gathers the facts, and asks ``core`` for the decision."""

from typing import cast

from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.known_tasks import is_known_task
from celery_aws.broker.message import Receipt, SqsMessage
from celery_aws.core.rejection import BackoffPolicy, Rejection, rejection
from celery_aws.names import AmqpQueue


class Rejections:
    """Decides about the rejected messages of one connection; thread-safe, and never asks AWS."""

    def __init__(self, directory: QueueDirectory) -> None:
        self._directory = directory

    def decide(self, message: SqsMessage, *, requeue: bool) -> Rejection:
        """Return what becomes of a message that is rejected.

        Args:
            message: one that was received from SQS.
            requeue: it shall be tried again.
        """
        receipt = cast("Receipt", message.receipt)
        return rejection(
            requeue=requeue,
            task=message.task,
            receive_count=receipt.receive_count,
            policy=self._backoff_policy(receipt.queue),
            understood=not message.undecodable and is_known_task(message.task),
        )

    def _backoff_policy(self, queue: AmqpQueue) -> BackoffPolicy:
        predefined = self._directory.predefined(queue)
        if predefined is None:
            return BackoffPolicy()
        return BackoffPolicy(
            tasks=predefined.backoff_tasks, seconds_by_receive=predefined.backoff_policy
        )
