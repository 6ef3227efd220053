"""The mark of a message that a migration sent: which message of its source it is, and which copy.

A migration that is killed, or whose answer is lost, sends up to ten messages a second time. So each
says which one it is, and no two of one have the same copy id; the worker that receives one claims
the message for its copy (:mod:`celery_aws.table.migrated`), and drops other copies.

It says so by the message of the source, and not by the task: one task id may be in a source more
than once and meant to run each time. Ids that people choose are used again, a task that is bound to
two queues is in both, and a task that is replaced keeps its id.

A message attribute and no header, because retries copy headers; and because an attribute is seen
without reading the message, whatever its form, goes wherever the message goes (the schedule, a
dead-letter queue, a redrive), and stays with one whose body is in S3. It is public: golden files
hold it, CHANGELOG.md tells of changes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from celery_aws.core.large_messages import POINTER_ATTRIBUTES
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.refusals import is_attribute_text
from celery_aws.limits import SQS_MESSAGE_ATTRIBUTES

ATTRIBUTE = "CeleryAwsMigrated"

#: Characters of a task id that are in a key for people to see; the hash tells keys apart.
_ID_CHARACTERS = 128

_HASH_CHARACTERS = 32


@dataclass(frozen=True, kw_only=True)
class MigrationMark:
    """What a mark says.

    Attributes:
        task_key: which message of the source it is, from :func:`task_key`.
        copy_id: which copy of it; each request to send it has another.
    """

    task_key: str
    copy_id: str

    @property
    def task_id(self) -> str:
        """The id of its task, as far as the key shows it; else the key."""
        return self.task_key.rpartition("#")[0] or self.task_key


def task_key(task_id: str | None, *, source_key: str) -> str:
    """Return what says which message of its source a message is, the same for all its copies.

    Args:
        task_id: of its task, for people; None if it is no task.
        source_key: its key there: for no other message, and the same however often it is claimed.
            What was moved back and is migrated again needs another.

    Returns:
        Up to 161 characters of ASCII without a space: a part of the key of an item, too.
    """
    hashed = hashlib.sha256(source_key.encode(errors="surrogatepass")).hexdigest()
    readable = task_id is not None and task_id.isascii() and task_id.isprintable()
    if task_id is None or not readable or " " in task_id or len(task_id) > _ID_CHARACTERS:
        return hashed[:_HASH_CHARACTERS]
    return f"{task_id}#{hashed[:_HASH_CHARACTERS]}"


def mark_migrated(message: OutgoingMessage, *, task_key: str, copy_id: str) -> OutgoingMessage:
    """Return a message with the mark in place of any it has; without, if there is no room for it.

    A copy that is dropped takes its body in S3 along, so each has to have one of its own. SQS takes
    ten attributes, and one is left for a message whose body has to go to S3. What has no mark is
    delivered as any other, a second copy too.

    Args:
        message: to be sent.
        task_key: from :func:`task_key`.
        copy_id: without a space; new for each request that sends it.
    """
    attributes = {**message.message_attributes}
    room = SQS_MESSAGE_ATTRIBUTES
    if not attributes.keys() & set(POINTER_ATTRIBUTES):
        room -= 1
    attributes[ATTRIBUTE] = {"DataType": "String", "StringValue": f"{task_key} {copy_id}"}
    return replace(message, message_attributes=attributes) if len(attributes) <= room else message


def migration_mark(attributes: Mapping[str, Mapping[str, Any]]) -> MigrationMark | None:
    """Return the mark among the attributes of a message, or None. Never raises."""
    found = attributes.get(ATTRIBUTE, {}).get("StringValue", "")
    key, _, copy_id = found.rpartition(" ") if is_attribute_text(found) else ("", "", "")
    return MigrationMark(task_key=key, copy_id=copy_id) if key and copy_id else None
