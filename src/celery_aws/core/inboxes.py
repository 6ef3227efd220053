"""The inbox of a process: the SQS queue that its share of control commands and events comes to.

It is a FIFO queue: what one sender sends, a message group each, arrives in order and once. Its
MessageDeduplicationId is new for every message, so nothing depends on its scope; that and the
limit on a group are set only because SQS asks for both where a group, and not the whole queue,
shall have 300 requests a second of its own. Facts: CreateQueue in the SQS API reference ("high
throughput for FIFO queues"); "Amazon SQS message quotas" in the developer guide.
"""

import re
from typing import Final

from celery_aws.core.queue_names import FIFO_SUFFIX, queue_name
from celery_aws.limits import SQS_QUEUE_NAME_CHARACTERS
from celery_aws.names import AmqpQueue, QueueName

#: Seconds that a message waits for a process that does not receive: a command is stale by then.
INBOX_RETENTION_SECONDS: Final = 300

#: Seconds until a message whose receive went unanswered is received again; its group waits.
INBOX_VISIBILITY_TIMEOUT_SECONDS: Final = 10

_LABEL: Final = "celery-inbox-"

#: Hexadecimal digits at the end of an inbox's name, before ``.fifo``.
INBOX_ID_CHARACTERS: Final = 32

#: Characters in front of the id, at most.
_FRONT_CHARACTERS: Final = SQS_QUEUE_NAME_CHARACTERS - INBOX_ID_CHARACTERS - len(FIFO_SUFFIX)

_INBOX: Final = re.compile(
    rf"(?:.*{_LABEL}|.{{{_FRONT_CHARACTERS}}})[0-9a-f]{{{INBOX_ID_CHARACTERS}}}{re.escape(FIFO_SUFFIX)}"
)


def inbox_name(prefix: str, inbox_id: str) -> QueueName:
    """Return the name on AWS of an inbox, one that SQS takes wherever it takes ``<prefix>celery``.

    The id is never cut, so that no two processes meet. If the name is too long, what is in front
    of the id is: first our own label, then the end of a prefix of more than 43 characters.

    Args:
        prefix: ``queue_name_prefix``; characters are replaced as in every queue's name.
        inbox_id: the 32 hexadecimal digits of a UUID.
    """
    most = SQS_QUEUE_NAME_CHARACTERS - len(inbox_id) - len(FIFO_SUFFIX)
    front = f"{prefix}{_LABEL}"[:most]
    return queue_name(AmqpQueue(f"{front}{inbox_id}{FIFO_SUFFIX}"))


def inbox_pattern(prefix: str) -> str:
    """Return a pattern of IAM's for the names of all inboxes, and of little else.

    Args:
        prefix: ``queue_name_prefix``.
    """
    some_id = "0" * INBOX_ID_CHARACTERS
    front = inbox_name(prefix, some_id).removesuffix(f"{some_id}{FIFO_SUFFIX}")
    if front.endswith(_LABEL):
        return f"{front}*{FIFO_SUFFIX}"
    # Cut, it may be the front of other queues too: then the length has to tell.
    return f"{front}{'?' * INBOX_ID_CHARACTERS}{FIFO_SUFFIX}"


def is_inbox_name(name: QueueName) -> bool:
    """Tell whether a queue has the name of an inbox, of whatever prefix."""
    return _INBOX.fullmatch(name) is not None


def inbox_attributes(*, high_throughput: bool) -> dict[str, str]:
    """Return the attributes to create an inbox with.

    Args:
        high_throughput: each sender has 300 requests a second, instead of all senders together.
            Where CreateQueue refuses that as an
            :class:`~celery_aws.errors.InvalidRequestError`, ask again without: the inbox is as
            good, only slower when hundreds of processes send at once.
    """
    attributes = {
        "FifoQueue": "true",
        "MessageRetentionPeriod": str(INBOX_RETENTION_SECONDS),
        "VisibilityTimeout": str(INBOX_VISIBILITY_TIMEOUT_SECONDS),
    }
    if high_throughput:
        attributes["DeduplicationScope"] = "messageGroup"
        attributes["FifoThroughputLimit"] = "perMessageGroupId"
    return attributes
