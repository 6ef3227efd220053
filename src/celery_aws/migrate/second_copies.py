"""Second copies of messages that were migrated, on the way back: one of them goes, as one runs.

Workers may be at work on this side meanwhile. Whoever receives a copy first, a worker or the way
back, has the message, by the same claim in the coordination table.
"""

import logging
from collections.abc import Mapping
from typing import Any

from celery_aws.broker import Transport
from celery_aws.core.migration_marks import migration_mark

logger = logging.getLogger(__name__)


class SecondCopies:
    """Knows the second copies in the queues of one broker.

    Args:
        transport: of the broker.
    """

    def __init__(self, transport: Transport) -> None:
        shared = transport.coordination
        self._claims = None
        if shared is not None and transport.options.migration_deduplication:
            self._claims = shared.migration_claims

    def has(self, attributes: Mapping[str, Mapping[str, Any]], message_id: str) -> bool:
        """Claim a message, and tell whether another copy of it was received before this one.

        Args:
            attributes: of the message.
            message_id: of this copy; empty if it was not in a queue yet.

        Raises:
            AwsError: nobody knows.

        Costs nothing for what was not migrated, else one PutItem.
        """
        mark = migration_mark(attributes)
        if mark is None or self._claims is None:
            return False
        claim = self._claims.claim(mark, message_id)
        if claim.copy_id == mark.copy_id:
            return False
        logger.info(
            "message %s was migrated twice: copy %s is deleted, because message %s was received "
            "before",
            mark.task_key,
            message_id or mark.copy_id,
            claim.message_id or claim.copy_id,
        )
        return True
