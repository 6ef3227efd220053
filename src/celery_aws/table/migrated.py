"""Which copy of a message that was migrated is the one that counts.

A migration may send a message twice (:mod:`celery_aws.core.migration_marks`). The worker that
receives a copy claims the message for it before anything runs; whoever comes with another copy
later finds it claimed. A claim says that the copy was received, and not that its task has ended: if
its worker dies, the copy comes again, and may be delivered again. Key: partition ``migrated#TASK
KEY``, sort key ``migrated``. It expires after :data:`MEMORY_DAYS`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from celery_aws.core.attributes import Item, number, text, text_of
from celery_aws.core.conditions import Equals, Missing, any_of
from celery_aws.core.migration_marks import MigrationMark
from celery_aws.core.table_keys import PARTITION, TTL, key_item
from celery_aws.errors import ConditionFailedError
from celery_aws.limits import SQS_RETENTION_SECONDS_MAX
from celery_aws.table.coordination import CoordinationTable

#: For how long another copy may come: after the longest life in its queue, the same as a dead
#: letter. Two days are for clocks, and for whoever redrives at the last moment.
MEMORY_DAYS = 2 * SQS_RETENTION_SECONDS_MAX // 86_400 + 2

COPY_ID = "copy_id"
MESSAGE_ID = "message_id"

_SORT = "migrated"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Who has a message.

    Attributes:
        copy_id: which copy of it counts.
        message_id: its id on SQS when it was last received; empty if that is not known.
    """

    copy_id: str
    message_id: str


@dataclass(frozen=True, kw_only=True)
class MigrationClaims:
    """The claims to messages that were migrated."""

    table: CoordinationTable

    def claim(self, mark: MigrationMark, message_id: str) -> Claim:
        """Claim a message for a copy of it, and return the claim that holds: this, or another's.

        The same copy claims it as often as it comes.

        Args:
            mark: of the copy.
            message_id: of the copy, on SQS.

        Raises:
            AwsError: it could not be claimed, or nobody knows whether it was.

        Costs one PutItem; the first of all may also make the table.
        """
        expires = self.table.clock.now() + timedelta(days=MEMORY_DAYS)
        item = {
            **_key(mark.task_key),
            COPY_ID: text(mark.copy_id),
            MESSAGE_ID: text(message_id),
            TTL: number(int(expires.timestamp())),
        }
        free = any_of(Missing(PARTITION), Equals(COPY_ID, text(mark.copy_id)))
        try:
            self.table.put(item, condition=free)
        except ConditionFailedError as error:
            return _claim(error.item or {})
        return Claim(copy_id=mark.copy_id, message_id=message_id)

    def started(self, task_keys: Iterable[str]) -> Mapping[str, str]:
        """Return the copy that was received of each of these messages, by its key.

        Of what no worker has received yet, nothing is said. One BatchGetItem for each 100.
        """
        keys = [_key(each) for each in dict.fromkeys(task_keys)]
        found = self.table.get_many(keys) if keys else []
        return {_task_key(item): _claim(item).copy_id for item in found}


def migrated_partition(task_key: str) -> str:
    """Return the partition of the claim to a message."""
    return f"migrated#{task_key}"


def _key(task_key: str) -> Item:
    return key_item(migrated_partition(task_key), _SORT)


def _task_key(item: Item) -> str:
    return (text_of(item, PARTITION) or "").partition("#")[2]


def _claim(item: Item) -> Claim:
    return Claim(copy_id=text_of(item, COPY_ID) or "", message_id=text_of(item, MESSAGE_ID) or "")
