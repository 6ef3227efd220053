"""The inboxes of a deployment's processes: where each is, and whose is left behind.

Key: partition ``inbox``, sort key the inbox's id. An inbox without an owner costs nothing but what
is still sent to it; the leader of the movers removes it (:mod:`celery_aws.broker.reaper`).
"""

import logging
from dataclasses import dataclass

from celery_aws.core.attributes import Item, text
from celery_aws.core.conditions import Equals
from celery_aws.core.inbox_items import (
    PARTITION_OF_INBOXES,
    VERSION,
    InboxRecord,
    inbox_item,
    inbox_key,
    inbox_record,
)
from celery_aws.errors import ConditionFailedError
from celery_aws.names import InboxId
from celery_aws.table.coordination import CoordinationTable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Inboxes:
    """The registry of inboxes."""

    table: CoordinationTable

    def put(self, record: InboxRecord) -> None:
        """Write or renew an inbox. One PutItem, which may make the table."""
        self.table.put(inbox_item(record))

    def remove(self, inbox: InboxId, *, version: str | None = None) -> bool:
        """Remove an inbox from the registry. One DeleteItem.

        Args:
            inbox: which one.
            version: remove it only if it still has this version; None is whatever it has.

        Returns:
            False if it was renewed meanwhile, or is gone; only with ``version``.
        """
        condition = None if version is None else Equals(VERSION, text(version))
        try:
            self.table.delete(inbox_key(inbox), condition=condition)
        except ConditionFailedError:
            return False
        return True

    def all(self) -> list[InboxRecord]:
        """Return every inbox. One Query, consistent, for each MB: some 3,000 inboxes."""
        items = [item for page in self.table.pages(PARTITION_OF_INBOXES) for item in page]
        return [record for item in items if (record := _record_or_none(item)) is not None]


def _record_or_none(item: Item) -> InboxRecord | None:
    try:
        return inbox_record(item)
    except ValueError as error:
        logger.warning("coordination table: %s; it is left alone", error)
        return None
