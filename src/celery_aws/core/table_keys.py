"""The key of the coordination table: one partition, one sort key, one expiry, for every kind.

The names are public, as are the keys that each kind makes of them: golden files hold them.
"""

import hashlib

from celery_aws.core.attributes import Item, text

PARTITION = "pk"
SORT = "sk"

#: Epoch seconds after which DynamoDB may remove an item.
TTL = "ttl"


#: Characters of a task id that become part of a key. A sort key has 1,024 bytes, a partition key
#: 2,048 ("Quotas in Amazon DynamoDB"); whoever names tasks may have longer ones.
_ID_CHARACTERS = 128


def id_in_key(task_id: str) -> str:
    """Return what stands for a task id in a key: itself, or a hash if it is long or not ASCII."""
    if len(task_id) <= _ID_CHARACTERS and task_id.isascii():
        return task_id
    return hashlib.sha256(task_id.encode()).hexdigest()


def key_item(partition: str, sort: str) -> Item:
    """Return the key of an item."""
    return {PARTITION: text(partition), SORT: text(sort)}


def key_of(item: Item) -> Item:
    """Return the key of a whole item."""
    return {PARTITION: item[PARTITION], SORT: item[SORT]}
