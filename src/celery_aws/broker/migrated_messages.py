"""Second copies of messages that were migrated: found before they are delivered.

A migration that was killed may have sent a message twice (:mod:`celery_aws.core.migration_marks`).
Each copy is claimed in the coordination table before it is delivered; of a message that is claimed
for another copy nothing is delivered. The same copy may come as often as it likes: its worker died,
it was given back, redriven, or sent on. What no migration has sent has no mark, and costs nothing.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from celery_aws.broker.coordination import Coordination
from celery_aws.clock import Clock
from celery_aws.core.backoff import is_worth_logging
from celery_aws.core.large_messages import pause_seconds
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.migration_marks import MigrationMark, migration_mark
from celery_aws.core.outages import Outage
from celery_aws.errors import AwsError, CredentialsError, TemporaryError
from celery_aws.table.migrated import Claim, MigrationClaims

logger = logging.getLogger(__name__)

#: Seconds for which a DynamoDB that did not answer is not asked: a receiver that waits for it
#: receives nothing else.
OUTAGE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What became of the messages of one receive."""

    #: To be delivered, in their order.
    ready: list[ReceivedMessage] = field(default_factory=list)
    #: To be given back, each for so many seconds.
    postponed: list[tuple[ReceivedMessage, int]] = field(default_factory=list)
    #: To be deleted: another copy of each was received before.
    duplicates: list[ReceivedMessage] = field(default_factory=list)


class MigratedMessages:
    """Claims the received messages of one connection; safe to share between threads.

    Args:
        coordination: where claims are kept; None if there is no such table, or nothing is to be
            claimed.
        clock: measures for how long an outage is believed.
    """

    def __init__(self, coordination: Coordination | None, *, clock: Clock) -> None:
        self._claims = None if coordination is None else coordination.migration_claims
        self._clock = clock
        #: Why DynamoDB could not be written, and until when it is not asked again.
        self._outage: Outage | None = None
        #: How often in a row it did not answer.
        self._failures = 0
        self._warned = False

    def claim(self, messages: Sequence[ReceivedMessage]) -> Claimed:
        """Claim those that were migrated; raises nothing that AWS can cause.

        While DynamoDB does not answer, they are postponed: they come again after a pause that grows
        with their receives, and nothing is delivered that is not claimed. If it refuses, they are
        delivered all the same: a few that are there twice may run twice, where otherwise nothing
        that was migrated would run until somebody grants a right. What cannot be read is not
        claimed, as it will not run: another copy may be readable.

        Costs one PutItem for each that has a mark.
        """
        claimed = Claimed()
        for message in messages:
            mark = migration_mark(message.message_attributes)
            if mark is None or self._claims is None or message.error is not None:
                claimed.ready.append(message)
                continue
            try:
                holder = self._holder(self._claims, mark, message)
            except (TemporaryError, CredentialsError):
                claimed.postponed.append((message, pause_seconds(message.receive_count)))
                continue
            if holder is None or holder.copy_id == mark.copy_id:
                claimed.ready.append(message)
            else:
                _log_duplicate(message, mark, holder)
                claimed.duplicates.append(message)
        return claimed

    def _holder(
        self, claims: MigrationClaims, mark: MigrationMark, message: ReceivedMessage
    ) -> Claim | None:
        """Return the claim that holds, None if DynamoDB refuses to say."""
        if self._outage is not None:
            self._outage.raise_if_on(self._clock.monotonic())
        try:
            holder = claims.claim(mark, message.message_id)
        except (TemporaryError, CredentialsError) as error:
            self._outage = Outage(error, self._clock.monotonic() + OUTAGE_SECONDS)
            self._log_outage(error)
            raise
        except AwsError as error:
            self._warn(error)
            return None
        self._failures = 0
        return holder

    def _log_outage(self, error: AwsError) -> None:
        self._failures += 1
        if is_worth_logging(self._failures):
            logger.error(
                "messages that were migrated are given back for a while, because they cannot be "
                "claimed, and another copy of each may have run (failure %s in a row): %s",
                self._failures,
                error,
            )

    def _warn(self, error: AwsError) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "messages that a migration sent twice run twice. Grant dynamodb:PutItem on the "
                "coordination table: %s",
                error,
            )


def _log_duplicate(message: ReceivedMessage, mark: MigrationMark, holder: Claim) -> None:
    logger.warning(
        "task %s was migrated twice: message %s is deleted, because message %s was received before",
        mark.task_id,
        message.message_id,
        holder.message_id,
    )
