"""One look through a dead-letter queue, after which everything is where it was.

SQS has no way to look at a message but to receive it, which hides it from everybody else for a
while. So what a look has received it holds until it ends, to meet each message once, and then gives
back. A look that is killed loses nothing: SQS shows its messages again when their visibility
timeout is over. Each look counts as a receive of each message. In a FIFO queue a message that is
held keeps back those behind it in its group, so that a look sees the first ones of each group only.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final

from celery_aws.aws.operators import OperatorServices
from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff
from celery_aws.core.batching import batches
from celery_aws.core.buried_message import BuriedMessage
from celery_aws.dlq.queues import DeadLetterQueue
from celery_aws.errors import AwsError, TemporaryError
from celery_aws.limits import SQS_BATCH_ENTRIES, SQS_VISIBILITY_TIMEOUT_SECONDS_MAX
from celery_aws.names import ReceiptHandle

if TYPE_CHECKING:
    from typing_extensions import Self

logger = logging.getLogger(__name__)

#: Seconds for which a receive waits: one that does not asks some of SQS's servers only, and may
#: find nothing in a queue that is not empty.
WAIT_SECONDS: int = 1

#: Receives without a message after which the queue is taken to be empty.
EMPTY_RECEIVES: Final = 2

#: Seconds before the first message comes back in which nothing is begun any more.
MARGIN_SECONDS: Final = 10.0

#: Seconds for which a message is hidden at least, and how much longer for each in the queue: a
#: receive of ten takes a tenth of a second from another continent.
_LEAST_HIDDEN_SECONDS: Final = 120
_SECONDS_A_MESSAGE: Final = 0.05


def hidden_seconds(messages: int) -> int:
    """Return the visibility timeout that outlasts a look at so many messages."""
    wanted = _LEAST_HIDDEN_SECONDS + int(messages * _SECONDS_A_MESSAGE)
    return min(wanted, SQS_VISIBILITY_TIMEOUT_SECONDS_MAX)


_TRIES: Final = 5
_BACKOFF: Final = Backoff(base_seconds=0.2, cap_seconds=2.0)


class Look:
    """Receives the messages of a queue, each once; a context manager that gives back the rest.

    Args:
        queue: the dead-letter queue.
        clock: measures how long the messages stay hidden.
        hidden_seconds: for how long that is.
    """

    def __init__(self, queue: DeadLetterQueue, *, clock: Clock, hidden_seconds: int) -> None:
        self._queue = queue
        self._service = OperatorServices.dead_letters(queue.access)
        self._clock = clock
        self._hidden_seconds = hidden_seconds
        self._ends_at = clock.monotonic() + hidden_seconds - MARGIN_SECONDS
        self._held: dict[str, ReceiptHandle] = {}
        self._gone: set[str] = set()

    @property
    def in_time(self) -> bool:
        """False if the first message may soon be handed out again, to anybody."""
        return self._clock.monotonic() < self._ends_at

    def pages(self) -> Iterator[list[BuriedMessage]]:
        """Yield what each receive brings, without repeats, until none is left or time is up.

        Raises:
            AwsError: SQS did not answer, or refused.

        Costs a ReceiveMessage for up to ten messages, and at the end two that wait a second each.
        """
        empty = 0
        while empty < EMPTY_RECEIVES and self.in_time:
            received = self._service.look(
                self._queue.url,
                max_messages=SQS_BATCH_ENTRIES,
                wait_seconds=WAIT_SECONDS,
                visibility_timeout_seconds=self._hidden_seconds,
            )
            empty = 0 if received else empty + 1
            new = self._take(received)
            if new:
                yield new

    def delete(self, messages: Sequence[BuriedMessage]) -> dict[str, AwsError]:
        """Delete up to ten messages that it holds, with several tries.

        Returns:
            Why some are not known to be deleted, by their ids; they are given back at the end.

        Costs one DeleteMessageBatch.
        """
        # By the latest handles: they may have come again since.
        left = {each.message_id: self._held[each.message_id] for each in messages}
        errors: dict[str, AwsError] = {}
        for attempt in range(_TRIES):
            errors = self._not_deleted(left)
            left = {each: left[each] for each in errors}
            if not any(_is_worth_a_try(error) for error in errors.values()):
                break
            self._clock.sleep(_BACKOFF.bound_seconds(attempt))
        for each in messages:
            if each.message_id not in errors:
                del self._held[each.message_id]
                self._gone.add(each.message_id)
        return errors

    def give_back(self) -> int:
        """Let others receive what is held, at once.

        Returns:
            How many messages could not be given back, and come by themselves in time.

        Costs one ChangeMessageVisibilityBatch for ten messages.
        """
        held, self._held = list(self._held.values()), {}
        return sum(self._give_back(batch) for _, batch in batches((None, each) for each in held))

    def _take(self, received: Sequence[BuriedMessage]) -> list[BuriedMessage]:
        new = [
            each
            for each in received
            if each.message_id not in self._held and each.message_id not in self._gone
        ]
        again = [each for each in received if each.message_id in self._gone]
        if again:
            # A standard queue may hand out once more what was deleted: not kept, not moved again.
            handles = [each.message.receipt_handle for each in again]
            self._queue.service.delete_batch(self._queue.url, handles)
        for each in received:
            if each.message_id not in self._gone:
                self._held[each.message_id] = each.message.receipt_handle
        return new

    def _not_deleted(self, handles: Mapping[str, ReceiptHandle]) -> dict[str, AwsError]:
        try:
            failures = self._queue.service.delete_batch(self._queue.url, list(handles.values()))
        except AwsError as error:
            return dict.fromkeys(handles, error)
        why = {each.receipt_handle: each.error for each in failures}
        return {each: why[handle] for each, handle in handles.items() if handle in why}

    def _give_back(self, handles: Sequence[ReceiptHandle]) -> int:
        try:
            failures = self._queue.service.change_visibility_batch(
                self._queue.url, [(handle, 0) for handle in handles]
            )
        except AwsError as error:
            logger.warning(
                "%s message(s) of %s are seen again in %s s at the latest: %s",
                len(handles),
                self._queue.name,
                self._hidden_seconds,
                error,
            )
            return len(handles)
        return len(failures)

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.give_back()


def _is_worth_a_try(error: AwsError) -> bool:
    return isinstance(error, TemporaryError)
