"""Which task ids were revoked, for tasks that may be parked longer than any worker remembers.

Written by whoever revokes, read by a worker when it receives a task that was parked, so that it
matters neither how often workers restart in between nor what they remember. Key: partition
``revoked#TASK ID``, sort key ``revoked``. It expires after :data:`MEMORY_DAYS`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from celery_aws.core.attributes import number, text_of
from celery_aws.core.table_keys import PARTITION, TTL, id_in_key, key_item
from celery_aws.errors import TableNotFoundError
from celery_aws.table.coordination import CoordinationTable

#: For how long a task may be parked after it was revoked, and never run. DynamoDB removes the
#: item for nothing; keeping it for so long costs a millionth of a cent.
MEMORY_DAYS = 400

_SORT = "revoked"


@dataclass(frozen=True, kw_only=True)
class Revocations:
    """The revoked task ids."""

    table: CoordinationTable

    def add(self, task_ids: Iterable[str]) -> bool:
        """Remember that tasks were revoked.

        Returns:
            False if there is no table, and so no parked task.

        Costs one PutItem for each.
        """
        expires = self.table.clock.now() + timedelta(days=MEMORY_DAYS)
        ttl = number(int(expires.timestamp()))
        try:
            for task_id in task_ids:
                item = {**key_item(revoked_partition(task_id), _SORT), TTL: ttl}
                self.table.service.put_item(self.table.name, item)
        except TableNotFoundError:
            return False
        return True

    def among(self, task_ids: Iterable[str]) -> set[str]:
        """Return those that were revoked. One BatchGetItem for each 100, nothing for none."""
        asked = {revoked_partition(task_id): task_id for task_id in task_ids}
        keys = [key_item(partition, _SORT) for partition in asked]
        found = self.table.get_many(keys) if keys else []
        return {asked[text_of(item, PARTITION) or ""] for item in found}


def revoked_partition(task_id: str) -> str:
    """Return the partition of what is known of a task's revoke."""
    return f"revoked#{id_in_key(task_id)}"
