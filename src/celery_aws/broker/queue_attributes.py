"""What queues say of themselves, asked for once for everybody who goes by it.

An operator may change a queue at any time, so an answer is believed for some minutes only. The
answer of one queue under one access is shared by all connections of a process. Facts:
GetQueueAttributes in the SQS API reference.
"""

import logging
import threading
from dataclasses import dataclass

from celery_aws.aws.sqs import QueueService
from celery_aws.broker.directory import QueueAddress
from celery_aws.clock import Clock
from celery_aws.core.delay_plan import DELAY_SECONDS_OF_ANY_QUEUE, max_delay_seconds
from celery_aws.core.queue_facts import FACT_ATTRIBUTES, QueueFacts, queue_facts
from celery_aws.errors import AccessDeniedError, AwsError, InvalidRequestError
from celery_aws.names import QueueUrl
from celery_aws.process import PerProcess

logger = logging.getLogger(__name__)

#: Seconds for which is believed what a queue says. A deleted message does not come back, so a
#: dead-letter queue added while workers run must be noticed soon.
FACTS_SECONDS = 300.0

#: A queue's URL, and who asks: another access may be allowed what this one is not.
_Key = tuple[QueueUrl, QueueService]


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What a queue said, and until when it is believed."""

    facts: QueueFacts
    believed_until: float


class QueueAttributes:
    """The facts of queues, by their URL; safe to share between threads.

    Nobody waits for another's request: two threads may ask for one queue at once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # Never changed, only replaced, so that it is read without the lock.
        self._known: dict[_Key, _Known] = {}
        self._logged: set[QueueUrl] = set()

    def facts(self, address: QueueAddress) -> QueueFacts:
        """Return what is known of a queue, asking it if that is too old.

        A queue that may not be asked, or does not understand the question, has facts with a
        ``refusal``, which are believed as long as others; a line of log says so once.

        Raises:
            TemporaryError: no answer; nothing is remembered of that.
            AwsError: the queue is gone, or the credentials are wrong; the same.

        Costs one GetQueueAttributes for a queue every five minutes.
        """
        known = self.known(address)
        return known if known is not None else self._ask(address)

    def known(self, address: QueueAddress) -> QueueFacts | None:
        """Return what is believed of a queue by now, or None; never asks."""
        known = self._known.get((address.url, address.service))
        if known is None or known.believed_until <= self._clock.monotonic():
            return None
        return known.facts

    def max_delay_seconds(self, address: QueueAddress, wanted_seconds: float) -> int:
        """Return for how long a message may be delayed, as far as ``wanted_seconds`` need it.

        Args:
            address: the queue, which is no FIFO queue.
            wanted_seconds: the delay that somebody would like.

        Returns:
            Seconds; less than ``wanted_seconds`` if those are more than SQS takes, or if the queue
            keeps messages for too short a time
            (:func:`celery_aws.core.delay_plan.max_delay_seconds`).

        Raises:
            AwsError: as :meth:`facts` does.

        Costs nothing up to 30 s, which every queue can delay a message; else what :meth:`facts`
        costs.
        """
        if wanted_seconds <= DELAY_SECONDS_OF_ANY_QUEUE:
            return DELAY_SECONDS_OF_ANY_QUEUE
        return max_delay_seconds(self.facts(address))

    def _ask(self, address: QueueAddress) -> QueueFacts:
        believed_until = self._clock.monotonic() + FACTS_SECONDS
        try:
            facts = queue_facts(address.service.queue_attributes(address.url, FACT_ATTRIBUTES))
        except (AccessDeniedError, InvalidRequestError) as error:
            facts = QueueFacts(refusal=str(error))
            self._log_once(address.url, error)
        self._remember(address, _Known(facts=facts, believed_until=believed_until))
        return facts

    def _remember(self, address: QueueAddress, known: _Known) -> None:
        now = self._clock.monotonic()
        with self._lock:
            # What is too old goes: a service that nobody else has any more would stay with it.
            kept = {key: each for key, each in self._known.items() if each.believed_until > now}
            self._known = {**kept, (address.url, address.service): known}

    def _log_once(self, url: QueueUrl, error: AwsError) -> None:
        with self._lock:
            if url in self._logged:
                return
            self._logged.add(url)
        why = "the question was refused"
        if isinstance(error, AccessDeniedError):
            why = "not allowed to ask; grant sqs:GetQueueAttributes on the queue"
        logger.info(
            "queue %s: its attributes are taken to be SQS's defaults (%s): %s", url, why, error
        )


_per_process: PerProcess[tuple[Clock], QueueAttributes] = PerProcess()


def queue_attributes(clock: Clock) -> QueueAttributes:
    """Return this process's cache for a clock; costs no request.

    Args:
        clock: measures for how long an answer is believed.
    """
    return _per_process.get((clock,), lambda: QueueAttributes(clock))
