"""kombu's batch of publishes: what ``Producer.batch`` of kombu 5.7 asks of a channel.

Its contract is kombu's: nothing goes before it is flushed or full, nothing is sent again, an
exceptional exit discards what is pending, and after a failure it cannot be used any more. Facts:
kombu/messaging.py (``_ProducerBatchState``), kombu/transport/redis.py (``PublishBatch``).
"""

from typing import Any

from celery_aws.broker.publish_batch import PublishBatch
from celery_aws.clock import Clock
from celery_aws.core.publish_retries import NO_RETRIES
from celery_aws.errors import BatchPublishError


class ProducerBatch:
    """Messages of one producer.

    Args:
        channel: publishes them.
        max_size: messages after which it is flushed.
        clock: see :class:`PublishBatch`.

    Attributes:
        channel: the same.
    """

    def __init__(self, channel: Any, max_size: int, clock: Clock) -> None:
        self.channel = channel
        self._max_size = max_size
        self._batch = PublishBatch(NO_RETRIES, clock, holds=True)
        #: Why it cannot be used any more.
        self._over: str | None = None

    def publish(self, message: dict[str, Any], **kwargs: Any) -> None:
        """Collect a message; what belongs into no batch goes at once.

        Raises:
            BatchPublishError: it was full, and not all of it was accepted.

        Costs nothing, or what :meth:`flush` does.
        """
        self._check()
        self.channel.basic_publish(message, publish_batch=self._batch, **kwargs)
        if self._batch.pending >= self._max_size:
            self.flush()

    def flush(self) -> None:
        """Send what was collected.

        Raises:
            BatchPublishError: not all of it was accepted. It is kombu's error of this name too.

        Costs one SendMessageBatch for each ten messages of a queue, and what is left over.
        """
        self._check()
        try:
            self._batch.flush()
        except BatchPublishError:
            self._over = "has failed"
            raise

    def discard(self) -> None:
        """Forget what was not sent."""
        self._over = "is aborted"
        self._batch.discard()

    def close(self) -> None:
        """End it; what was not flushed is forgotten."""
        self._over = self._over or "is closed"
        self._batch.discard()

    def _check(self) -> None:
        if self._over is not None:
            raise RuntimeError(f"the publish batch {self._over}")
