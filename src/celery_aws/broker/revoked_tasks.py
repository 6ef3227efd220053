"""Which received tasks were revoked while they were parked.

A worker hears of a revoke only while it runs, and forgets it after hours; a task may be parked for
months. So whoever revokes writes it down (:mod:`celery_aws.table.revocations`), and it is looked up
for each message that was parked. Celery is told before it is handed the message, which it then
discards by itself.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from celery_aws.broker.coordination import Coordination
from celery_aws.clock import Clock
from celery_aws.core.backoff import is_worth_logging
from celery_aws.core.large_messages import pause_seconds
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.outages import Outage
from celery_aws.core.parked_messages import parked_task_id
from celery_aws.errors import AwsError, TemporaryError
from celery_aws.names import ReceiptHandle

logger = logging.getLogger(__name__)

#: Seconds for which a DynamoDB that did not answer is not asked: a receiver that waits for it
#: receives nothing else.
OUTAGE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class LookedUp:
    """What became of the messages of one receive."""

    #: To be delivered, in their order; those that were revoked say so.
    ready: list[ReceivedMessage] = field(default_factory=list)
    #: To be given back, each for so many seconds.
    postponed: list[tuple[ReceivedMessage, int]] = field(default_factory=list)


class RevokedTasks:
    """Looks up the received tasks of one connection; safe to share between threads.

    Args:
        coordination: where revokes are remembered; None if that is off.
        worker_present: tells whether a Celery worker consumes here. To other consumers a revoke
            means nothing.
        clock: measures for how long an outage is believed.
    """

    def __init__(
        self,
        coordination: Coordination | None,
        *,
        worker_present: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._coordination = coordination
        self._worker_present = worker_present
        self._clock = clock
        #: Why DynamoDB could not be read, and until when it is not asked again.
        self._outage: Outage | None = None
        #: How often in a row it did not answer.
        self._failures = 0
        self._warned = False

    def look_up(self, messages: Sequence[ReceivedMessage]) -> LookedUp:
        """Find the revoked ones; raises nothing that AWS can cause.

        While DynamoDB does not answer, what was parked is postponed: it comes again after a pause
        that grows with its receives. If it refuses, everything is delivered.

        Costs nothing if none of the messages was parked, else one BatchGetItem, of one read unit
        for each that was.
        """
        parked = {
            message.receipt_handle: task_id
            for message in messages
            if (task_id := parked_task_id(message.message_attributes)) is not None
        }
        if not parked or self._coordination is None or not self._worker_present():
            return LookedUp(ready=list(messages))
        try:
            revoked = self._among(self._coordination, set(parked.values()))
        except TemporaryError:
            return LookedUp(
                ready=[each for each in messages if each.receipt_handle not in parked],
                postponed=[
                    (each, pause_seconds(each.receive_count))
                    for each in messages
                    if each.receipt_handle in parked
                ],
            )
        except AwsError as error:
            self._warn(error)
            revoked = set()
        return LookedUp(ready=[_marked(each, parked, revoked) for each in messages])

    def _among(self, coordination: Coordination, task_ids: set[str]) -> set[str]:
        if self._outage is not None:
            self._outage.raise_if_on(self._clock.monotonic())
        try:
            revoked = coordination.revocations.among(sorted(task_ids))
        except TemporaryError as error:
            self._outage = Outage(error, self._clock.monotonic() + OUTAGE_SECONDS)
            self._log_outage(error)
            raise
        self._failures = 0
        return revoked

    def _log_outage(self, error: AwsError) -> None:
        self._failures += 1
        if is_worth_logging(self._failures):
            logger.error(
                "messages of parked tasks are given back for a while, because it cannot be looked "
                "up whether they were revoked (failure %s in a row): %s",
                self._failures,
                error,
            )

    def _warn(self, error: AwsError) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "tasks that were revoked while they were parked run all the same. Grant "
                "dynamodb:BatchGetItem on the coordination table: %s",
                error,
            )


def _marked(
    message: ReceivedMessage, parked: Mapping[ReceiptHandle, str], revoked: Collection[str]
) -> ReceivedMessage:
    task_id = parked.get(message.receipt_handle)
    return replace(message, revoked_task_id=task_id) if task_id in revoked else message
