"""Which items a statement is for: conditions on DynamoDB's partition keys.

``dynamodb:LeadingKeys`` has the partition keys of a request; ``ForAllValues`` is also true for a
request without any, such as a Scan, so the statements name actions, never ``dynamodb:*``. Facts:
"Using IAM policy conditions for fine-grained access control" in the DynamoDB developer guide.
"""

from celery_aws.core.binding_items import PARTITION_OF_BINDINGS
from celery_aws.core.inbox_items import PARTITION_OF_INBOXES
from celery_aws.core.reply_items import reply_partition
from celery_aws.core.schedule import markers_partition
from celery_aws.core.scheduled_items import CLAIMED
from celery_aws.core.usage_records import usage_partition
from celery_aws.deployment import ResultKeys
from celery_aws.iam.document import Conditions
from celery_aws.table.migrated import migrated_partition
from celery_aws.table.revocations import revoked_partition

LEADING_KEYS = "dynamodb:LeadingKeys"

#: Partitions of the coordination table, as patterns.
BINDINGS = PARTITION_OF_BINDINGS
INBOXES = PARTITION_OF_INBOXES
PARKED = markers_partition("*")
PARTS_OF_PARKED = f"part#{PARKED}"
CLAIMED_PARKED = CLAIMED
PARTS_OF_CLAIMED = f"part#{CLAIMED}#*"
MIGRATED = migrated_partition("*")
REPLIES = reply_partition("*")
REVOKED = revoked_partition("*")
USAGE = usage_partition("*")

#: Pieces of large results, whoever's they are: they are not read without their head.
PIECES = "b'*'#piece#*"


def with_leading_keys(*patterns: str) -> Conditions:
    """Return the condition that a request is for items with such partition keys only."""
    return {"ForAllValues:StringLike": {LEADING_KEYS: patterns}}


def groups_and_chords(keys: ResultKeys) -> Conditions:
    """Return the condition that a request is for groups and chords, and not for a task's result."""
    return with_leading_keys(*(_begins_with(prefix) for prefix in (keys.group, keys.chord)))


def chords(keys: ResultKeys) -> Conditions:
    """Return the condition that a request is for chords, and what is kept beside them."""
    return with_leading_keys(_begins_with(keys.chord))


def _begins_with(prefix: str) -> str:
    # As the ids are written: the repr of a key's bytes.
    return repr(prefix.encode())[:-1] + "*"
