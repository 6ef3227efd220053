"""Dead-letter queues as values: their names, and the redrive policy that leads to one.

Facts: "Using dead-letter queues in Amazon SQS" in the SQS developer guide; CreateQueue in the
SQS API reference (RedrivePolicy; the dead-letter queue of a FIFO queue is a FIFO queue).
"""

import json
from dataclasses import dataclass
from hashlib import sha256

from celery_aws.core.queue_names import FIFO_SUFFIX, is_fifo
from celery_aws.limits import SQS_QUEUE_NAME_CHARACTERS
from celery_aws.names import AccountId, QueueArn, QueueName

#: What the name of a dead-letter queue ends in, before ``.fifo``.
DEAD_LETTER_SUFFIX = "-dead-letter"

#: The attribute of a queue that names its dead-letter queue.
REDRIVE_POLICY = "RedrivePolicy"

#: Creation attributes that a dead-letter queue gets as well: what was encrypted stays so.
ENCRYPTION_ATTRIBUTES = frozenset(
    {"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"}
)

#: Of the digest that tells long names apart.
_DIGEST_CHARACTERS = 8

#: arn:partition:sqs:region:account:name
_ARN_PARTS = 6


@dataclass(frozen=True, kw_only=True)
class RedrivePolicy:
    """Where SQS moves a message, and after how many receives."""

    target: QueueArn
    max_receive_count: int

    def text(self) -> str:
        """Return the policy as the attribute of a queue."""
        return json.dumps(
            {"deadLetterTargetArn": self.target, "maxReceiveCount": self.max_receive_count}
        )


def redrive_policy(text: str | None) -> RedrivePolicy | None:
    """Return what the attribute of a queue says; None for no policy, or one without a target."""
    try:
        policy = json.loads(text or "")
        return RedrivePolicy(
            target=QueueArn(str(policy["deadLetterTargetArn"])),
            max_receive_count=int(policy["maxReceiveCount"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def dead_letter_name(name: QueueName) -> QueueName:
    """Return the name of the dead-letter queue that serves the queue ``name``.

    Of a name that leaves no room for the suffix, the beginning and a digest of the whole.
    """
    suffix = DEAD_LETTER_SUFFIX + (FIFO_SUFFIX if is_fifo(name) else "")
    stem = name.removesuffix(FIFO_SUFFIX)
    room = SQS_QUEUE_NAME_CHARACTERS - len(suffix)
    if len(stem) > room:
        digest = sha256(name.encode()).hexdigest()[:_DIGEST_CHARACTERS]
        stem = f"{stem[: room - _DIGEST_CHARACTERS - 1]}-{digest}"
    return QueueName(stem + suffix)


def is_dead_letter_name(name: QueueName) -> bool:
    """Tell whether ``name`` is that of a dead-letter queue, which needs none of its own."""
    return name.removesuffix(FIFO_SUFFIX).endswith(DEAD_LETTER_SUFFIX)


def owner_and_name(arn: QueueArn) -> tuple[AccountId, QueueName]:
    """Return the account and the name that a queue's ARN says.

    Raises:
        ValueError: it is no ARN of a queue.
    """
    parts = arn.split(":")
    if len(parts) != _ARN_PARTS or parts[2] != "sqs" or not parts[5]:
        raise ValueError(f"{arn!r} is not the ARN of a queue")
    return AccountId(parts[4]), QueueName(parts[5])
