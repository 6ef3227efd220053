"""How large a message a queue takes, asked for only when it matters.

Nearly every message is smaller than the smallest limit that a queue has by itself; only for one
that is larger is the queue's own limit looked up. Facts: CreateQueue (MaximumMessageSize) and
SendMessage in the SQS API reference; the words of a refusal are those of SQS itself.
"""

import re

from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.queue_attributes import FACTS_SECONDS, queue_attributes
from celery_aws.clock import Clock
from celery_aws.errors import InvalidRequestError
from celery_aws.limits import SQS_MESSAGE_BYTES, SQS_OLD_QUEUE_MESSAGE_BYTES
from celery_aws.names import QueueUrl

_REFUSAL = re.compile(r"shorter than (\d+) bytes")


class SizeLimits:
    """What queues take, by URL; thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._attributes = queue_attributes(clock)
        #: The limit that a refusal named, and until when it is believed.
        self._named: dict[QueueUrl, tuple[int, float]] = {}

    def limit_bytes(self, address: QueueAddress, size_bytes: int) -> int:
        """Return what a queue takes, as far as it matters for a message of ``size_bytes``.

        Without the right to ask it is SQS's own limit; SQS may then refuse the message.

        Raises:
            AwsError: SQS did not answer, or the queue is gone.

        Costs nothing up to 256 KB and above 1 MiB; in between one GetQueueAttributes in five
        minutes for a queue, if nobody else has asked it
        (:mod:`celery_aws.broker.queue_attributes`).
        """
        limit, believed_until = self._named.get(address.url, (SQS_MESSAGE_BYTES, 0.0))
        if self._clock.monotonic() < believed_until:
            return limit
        if SQS_OLD_QUEUE_MESSAGE_BYTES < size_bytes <= SQS_MESSAGE_BYTES:
            return self._attributes.facts(address).max_message_bytes
        known = self._attributes.known(address)
        return SQS_MESSAGE_BYTES if known is None else known.max_message_bytes

    def refused(self, address: QueueAddress, size_bytes: int, error: InvalidRequestError) -> bool:
        """Tell whether SQS refused a message for its size, and remember the limit that it names."""
        named = _REFUSAL.search(error.reason)
        if named is None:
            return False
        limit_bytes = int(named[1])
        self._named[address.url] = (limit_bytes, self._clock.monotonic() + FACTS_SECONDS)
        return size_bytes > limit_bytes
