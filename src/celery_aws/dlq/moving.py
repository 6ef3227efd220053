"""Moves dead letters message by message: those that somebody wants, or what SQS cannot redrive.

Up to ten at a time are sent, and deleted here once SQS has accepted them. Killed at any point, it
has lost nothing: what was sent and not yet deleted, ten messages at most, is in both queues. Into a
FIFO queue it does not get twice within five minutes, as the message's id here is the deduplication
id there. For a standard queue no mark closes that gap: whatever says that a message was sent is
written before SQS has accepted it, or after. But each copy says that it may have been sent before,
so that Celery's ``worker_deduplicate_successful_tasks`` knows the second one.
"""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from celery_aws.aws.sqs import SendFailure
from celery_aws.broker.directory import QueueAddress
from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff, Random
from celery_aws.core.batching import batches, batches_by_size
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.outgoing import DEFAULT_GROUP, message_sent_on
from celery_aws.core.parked_messages import mark_copy
from celery_aws.core.queue_names import is_fifo
from celery_aws.dlq.destinations import Destinations, Unknown
from celery_aws.dlq.letters import Letter
from celery_aws.dlq.looking import Look
from celery_aws.errors import AwsError, TemporaryError, ThrottledError
from celery_aws.limits import SQS_OLD_QUEUE_MESSAGE_BYTES

logger = logging.getLogger(__name__)

#: How often a request is made again that SQS has no time for.
_TRIES = 6

_BACKOFF = Backoff(base_seconds=0.2, cap_seconds=5.0)


@dataclass(frozen=True, kw_only=True)
class Left:
    """A dead letter that stays.

    Attributes:
        letter: which one.
        reason: why.
    """

    letter: Letter
    reason: str


@dataclass(kw_only=True)
class Moved:
    """What became of dead letters so far.

    Attributes:
        count: are in their queues, and no more here.
        twice: were sent, and could not be deleted here, or nobody knows whether they were sent: if
            they are sent again, they may run twice.
        left: were not sent.
    """

    count: int = 0
    twice: list[Letter] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


class Mover:
    """Moves what one look through a dead-letter queue brings.

    Args:
        look: holds the messages.
        destinations: where they go.
        clock: for the pauses before another try.
        jitter: random numbers for these.

    Attributes:
        moved: what became of them; also right after an error.
    """

    def __init__(
        self,
        look: Look,
        destinations: Destinations,
        *,
        clock: Clock,
        jitter: Random = random.random,
    ) -> None:
        self.moved = Moved()
        self._look = look
        self._destinations = destinations
        self._clock = clock
        self._jitter = jitter

    def move(self, letters: Sequence[Letter]) -> None:
        """Move some dead letters, in their order within each queue.

        Raises:
            AwsError: SQS did not answer, or refused all of them; those of the request that failed
                are in :attr:`moved` if they may have been sent, and the others stay.

        Costs for each queue a SendMessageBatch and a DeleteMessageBatch for up to ten messages of
        1 MiB together.
        """
        routed = [(self._destinations.of(letter), letter) for letter in letters]
        for target, letter in routed:
            if isinstance(target, Unknown):
                self.moved.left.append(Left(letter=letter, reason=target.reason))
        known = [(target, letter) for target, letter in routed if isinstance(target, QueueAddress)]
        for target, of_target in batches(known):
            for batch in batches_by_size(of_target, _size_bytes):
                self._delete(self._send(target, batch))

    def _send(self, target: QueueAddress, batch: Sequence[Letter]) -> list[Letter]:
        """Send a batch and return those that SQS has accepted."""
        messages = [_sent_on(letter, target) for letter in batch]
        try:
            failures = self._tried(
                partial(target.service.send_batch, target.url, messages),
                again=TemporaryError if is_fifo(target.url) else ThrottledError,
            )
        except TemporaryError as error:
            if not isinstance(error, ThrottledError):
                # Its answer may be all that was lost.
                self.moved.twice += batch
            raise
        for failed in failures:
            letter = batch[failed.index]
            if failed.error.code:
                self.moved.left.append(Left(letter=letter, reason=str(failed.error)))
            else:
                self.moved.twice.append(letter)  # The answer does not mention it.
        refused = {failed.index for failed in failures}
        if failures and is_fifo(target.url):
            # What is behind it in its group must not overtake it.
            self._delete([each for number, each in enumerate(batch) if number not in refused])
            raise failures[0].error
        return [letter for number, letter in enumerate(batch) if number not in refused]

    def _delete(self, letters: Sequence[Letter]) -> None:
        if letters:
            kept = self._look.delete([each.buried for each in letters])
            self.moved.count += len(letters) - len(kept)
            self.moved.twice += [each for each in letters if each.message_id in kept]

    def _tried(
        self, send: Callable[[], list[SendFailure]], *, again: type[AwsError]
    ) -> list[SendFailure]:
        attempt = 0
        while True:
            try:
                return send()
            except again as error:
                if attempt == _TRIES:
                    raise
                logger.debug("trying again: %s", error)
            self._clock.sleep(_BACKOFF.wait_seconds(attempt, self._jitter))
            attempt += 1


def _size_bytes(letter: Letter) -> int:
    return letter.buried.message.size_bytes


def _sent_on(letter: Letter, target: QueueAddress) -> OutgoingMessage:
    message = message_sent_on(letter.buried.message, target.url)
    if is_fifo(target.url):
        group = message.message_group_id
        return replace(message, message_group_id=DEFAULT_GROUP if group is None else group)
    if letter.task_id is None:
        return message
    marked = mark_copy(message, letter.task_id)
    # Not at the price that SQS refuses it as too large.
    return marked if marked.size_bytes <= SQS_OLD_QUEUE_MESSAGE_BYTES else message
