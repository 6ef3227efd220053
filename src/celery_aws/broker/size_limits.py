"""How large a message a queue takes, asked for only when it matters.

Nearly every message is smaller than the smallest limit that a queue has by itself; only for one
that is larger is the queue's own limit looked up. Facts: CreateQueue (MaximumMessageSize) and
SendMessage in the SQS API reference; the words of a refusal are those of SQS itself.
"""

import logging
import re

from celery_aws.broker.directory import QueueAddress
from celery_aws.clock import Clock
from celery_aws.errors import AccessDeniedError, InvalidRequestError
from celery_aws.limits import SQS_MESSAGE_BYTES, SQS_OLD_QUEUE_MESSAGE_BYTES
from celery_aws.names import QueueUrl

logger = logging.getLogger(__name__)

#: Seconds for which a queue's limit is believed; an operator may change it at any time.
LIMIT_SECONDS = 300.0

_ATTRIBUTE = "MaximumMessageSize"
_REFUSAL = re.compile(r"shorter than (\d+) bytes")


class SizeLimits:
    """What queues take, by URL; thread-safe. Two threads may ask for one at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: The limit, and until when it is believed.
        self._known: dict[QueueUrl, tuple[int, float]] = {}

    def limit_bytes(self, address: QueueAddress, size_bytes: int) -> int:
        """Return what a queue takes, as far as it matters for a message of ``size_bytes``.

        Without the right to ask it is SQS's own limit; SQS may then refuse the message.

        Raises:
            AwsError: SQS did not answer, or the queue is gone.

        Costs nothing up to 256 KB and above 1 MiB; in between one GetQueueAttributes in five
        minutes for a queue.
        """
        limit, believed_until = self._known.get(address.url, (SQS_MESSAGE_BYTES, 0.0))
        if self._clock.monotonic() < believed_until:
            return limit
        if SQS_OLD_QUEUE_MESSAGE_BYTES < size_bytes <= SQS_MESSAGE_BYTES:
            return self._remember(address.url, _look_up(address))
        return SQS_MESSAGE_BYTES

    def refused(self, address: QueueAddress, size_bytes: int, error: InvalidRequestError) -> bool:
        """Tell whether SQS refused a message for its size, and remember the limit that it names."""
        named = _REFUSAL.search(error.reason)
        if named is None:
            return False
        return size_bytes > self._remember(address.url, int(named[1]))

    def _remember(self, url: QueueUrl, limit_bytes: int) -> int:
        self._known[url] = (limit_bytes, self._clock.monotonic() + LIMIT_SECONDS)
        return limit_bytes


def _look_up(address: QueueAddress) -> int:
    try:
        found = address.service.queue_attributes(address.url, [_ATTRIBUTE])
    except AccessDeniedError as error:
        logger.info("not allowed to ask how large a message may be; trying: %s", error)
        return SQS_MESSAGE_BYTES
    return int(found.get(_ATTRIBUTE, SQS_MESSAGE_BYTES))
