"""What SQS refuses: the rules of the in-memory double, with AWS's error codes.

Facts: the SQS API reference (CreateQueue, SendMessage, ReceiveMessage and the batch
operations), and the limits of :mod:`celery_aws.limits`. Where the API reference names no code,
the one that SQS answers with is used. Only what this package can ask for is checked.
"""

import re
from collections.abc import Mapping, Sequence

from celery_aws import limits
from celery_aws.core.dead_letters import REDRIVE_POLICY, RedrivePolicy, redrive_policy
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.queue_names import FIFO_SUFFIX, is_fifo
from celery_aws.names import QueueName

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_ILLEGAL_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_GROUP_ID = re.compile(r"[\x21-\x7e]+")

#: Attributes that are numbers: at least, at most.
_RANGES = {
    "DelaySeconds": (0, limits.SQS_DELAY_SECONDS_MAX),
    "MaximumMessageSize": (limits.SQS_MAXIMUM_MESSAGE_SIZE_BYTES_MIN, limits.SQS_MESSAGE_BYTES),
    "MessageRetentionPeriod": (limits.SQS_RETENTION_SECONDS_MIN, limits.SQS_RETENTION_SECONDS_MAX),
    "ReceiveMessageWaitTimeSeconds": (0, limits.SQS_WAIT_TIME_SECONDS_MAX),
    "VisibilityTimeout": (0, limits.SQS_VISIBILITY_TIMEOUT_SECONDS_MAX),
}
#: Attributes of FIFO queues only, and their values.
_FIFO_CHOICES = {
    "DeduplicationScope": ("messageGroup", "queue"),
    "FifoThroughputLimit": ("perMessageGroupId", "perQueue"),
}
_OTHER_ATTRIBUTES = {
    "ContentBasedDeduplication", "FifoQueue", "KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId",
    "Policy", "RedriveAllowPolicy", "RedrivePolicy", "SqsManagedSseEnabled",
}  # fmt: skip


class RefusedError(Exception):
    """SQS does not accept the request.

    Attributes:
        code: AWS's error code.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_queue_name(name: QueueName) -> None:
    """Refuse a queue name that CreateQueue refuses."""
    base = name.removesuffix(FIFO_SUFFIX)
    if len(name) > limits.SQS_QUEUE_NAME_CHARACTERS or _NAME.fullmatch(base) is None:
        raise RefusedError(
            "InvalidParameterValue",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )


def check_queue_attributes(name: QueueName, attributes: Mapping[str, str]) -> None:
    """Refuse attributes that CreateQueue refuses."""
    for key, value in attributes.items():
        if key in _RANGES:
            least, most = _RANGES[key]
            if not value.isdecimal() or not least <= int(value) <= most:
                raise RefusedError("InvalidAttributeValue", f"Invalid value for {key}")
        elif key not in _OTHER_ATTRIBUTES | _FIFO_CHOICES.keys():
            raise RefusedError("InvalidAttributeName", f"Unknown Attribute {key}")
    if (attributes.get("FifoQueue") == "true") != is_fifo(name):
        raise RefusedError("InvalidParameterValue", "A FIFO queue's name must end in .fifo")
    _check_fifo_choices(attributes)
    redrive_policy_of(attributes)


def redrive_policy_of(attributes: Mapping[str, str]) -> RedrivePolicy | None:
    """Return what the attributes of a queue say of its dead-letter queue, or None."""
    text = attributes.get(REDRIVE_POLICY)
    if not text:
        return None
    policy = redrive_policy(text)
    least, most = limits.SQS_MAX_RECEIVE_COUNT_MIN, limits.SQS_MAX_RECEIVE_COUNT_MAX
    if policy is None or not least <= policy.max_receive_count <= most:
        raise RefusedError("InvalidAttributeValue", "RedrivePolicy is not valid")
    return policy


def check_dead_letter_queue(name: QueueName, target: QueueName | None) -> None:
    """Refuse a dead-letter queue that does not exist, or is of another type."""
    if target is None:
        reason = "Dead letter target does not exist"
    elif is_fifo(target) != is_fifo(name):
        reason = "Dead-letter queue must be same type of queue as the source"
    else:
        return
    raise RefusedError(
        "InvalidParameterValue", f"Value for parameter RedrivePolicy is invalid. Reason: {reason}"
    )


def check_message(message: OutgoingMessage, attributes: Mapping[str, str]) -> None:
    """Refuse a message that SendMessage refuses on a queue with these attributes."""
    if not message.body:
        raise RefusedError("MissingParameter", "The request must contain MessageBody")
    if _ILLEGAL_CHARACTER.search(message.body):
        raise RefusedError("InvalidMessageContents", "Invalid characters in MessageBody")
    most = int(attributes["MaximumMessageSize"])
    if message.size_bytes > most:
        raise _invalid(f"Message must be shorter than {most} bytes")
    if len(message.message_attributes) > limits.SQS_MESSAGE_ATTRIBUTES:
        raise _invalid("Number of message attributes exceeds the allowed maximum [10]")
    for identifier in (message.message_group_id, message.message_deduplication_id):
        if identifier is not None and not _is_group_id(identifier):
            raise _invalid("Can only include alphanumeric and punctuation characters. 1 to 128")
    if attributes.get("FifoQueue") == "true":
        _check_fifo(message, attributes)
    else:
        _check_standard(message)


def check_receive(max_messages: int, wait_seconds: int, visibility_seconds: int | None) -> None:
    """Refuse the parameters that ReceiveMessage refuses."""
    if not 1 <= max_messages <= limits.SQS_BATCH_ENTRIES:
        raise RefusedError("ReadCountOutOfRange", "MaxNumberOfMessages must be from 1 to 10")
    if not 0 <= wait_seconds <= limits.SQS_WAIT_TIME_SECONDS_MAX:
        raise _invalid("WaitTimeSeconds must be from 0 to 20")
    if visibility_seconds is not None:
        check_visibility(visibility_seconds)


def check_visibility(seconds: int) -> None:
    """Refuse a visibility timeout out of range."""
    if not 0 <= seconds <= limits.SQS_VISIBILITY_TIMEOUT_SECONDS_MAX:
        raise _invalid("VisibilityTimeout must be from 0 to 43200")


def check_batch(entries: Sequence[object]) -> None:
    """Refuse a batch without entries, or with more than 10."""
    if not entries:
        raise RefusedError("EmptyBatchRequest", "The batch has no entries")
    if len(entries) > limits.SQS_BATCH_ENTRIES:
        raise RefusedError("TooManyEntriesInBatchRequest", "Maximum number of entries is 10")


def check_send_batch(messages: Sequence[OutgoingMessage]) -> None:
    """Refuse a batch of messages that SendMessageBatch refuses as a whole."""
    check_batch(messages)
    size_bytes = sum(message.size_bytes for message in messages)
    if size_bytes > limits.SQS_MESSAGE_BYTES:
        raise RefusedError(
            "AWS.SimpleQueueService.BatchRequestTooLong",
            f"Batch requests cannot be longer than {limits.SQS_MESSAGE_BYTES} bytes. You have "
            f"sent {size_bytes} bytes",
        )


def _check_fifo_choices(attributes: Mapping[str, str]) -> None:
    given = {key: attributes[key] for key in _FIFO_CHOICES if key in attributes}
    for key, value in given.items():
        if attributes.get("FifoQueue") != "true":
            raise RefusedError(
                "InvalidAttributeName",
                f"You can specify the {key} only when FifoQueue is set to true",
            )
        if value not in _FIFO_CHOICES[key]:
            raise RefusedError("InvalidAttributeValue", f"Invalid value for the parameter {key}")
    by_group = given.get("FifoThroughputLimit") == "perMessageGroupId"
    if by_group and given.get("DeduplicationScope") != "messageGroup":
        raise RefusedError(
            "InvalidAttributeValue",
            "Invalid value for the parameter FifoThroughputLimit. Reason: To set "
            "FifoThroughputLimit to perMessageGroupId, the DeduplicationScope must be messageGroup",
        )


def _check_fifo(message: OutgoingMessage, attributes: Mapping[str, str]) -> None:
    if message.message_group_id is None:
        raise RefusedError("MissingParameter", "The request must contain MessageGroupId")
    if message.delay_seconds is not None:
        raise _invalid("DelaySeconds is not valid for this queue type")
    by_content = attributes.get("ContentBasedDeduplication") == "true"
    if message.message_deduplication_id is None and not by_content:
        raise _invalid("The queue should either have ContentBasedDeduplication enabled or "
                       "MessageDeduplicationId provided explicitly")  # fmt: skip


def _check_standard(message: OutgoingMessage) -> None:
    if message.message_deduplication_id is not None:
        raise _invalid("MessageDeduplicationId is not valid for this queue type")
    delay = message.delay_seconds
    if delay is not None and not 0 <= delay <= limits.SQS_DELAY_SECONDS_MAX:
        raise _invalid("DelaySeconds must be from 0 to 900")


def _is_group_id(text: str) -> bool:
    return len(text) <= limits.SQS_GROUP_ID_CHARACTERS and _GROUP_ID.fullmatch(text) is not None


def _invalid(reason: str) -> RefusedError:
    return RefusedError("InvalidParameterValue", f"Value is invalid. Reason: {reason}")
