"""Messages whose body is in S3: the pointer that goes through SQS in its place.

The form is that of AWS's extended clients for Java and Python, so that they and we read each
other's messages: a JSON list of a class name and an object, beside a message attribute with the
size of what it points to. Their older form is read as well. The format is public: golden files
hold it, CHANGELOG.md tells of changes. Facts: AmazonSQSExtendedClientUtil.java and
PayloadS3Pointer.java of AWS's libraries, client.py of the one for Python (version 1.0.1).
"""

import json
from dataclasses import replace

from celery_aws.core.messages import OutgoingMessage, S3Pointer, text_bytes
from celery_aws.names import BucketName, ObjectKey

_POINTER_CLASS = "software.amazon.payloadoffloading.PayloadS3Pointer"
_POINTER_CLASSES = (_POINTER_CLASS, "com.amazon.sqs.javamessaging.MessageS3Pointer")

_SIZE_ATTRIBUTE = "ExtendedPayloadSize"

#: Message attributes that mark a pointer, now and in the older form. The body is told by itself;
#: who sends a message on has to send these along.
POINTER_ATTRIBUTES = (_SIZE_ATTRIBUTE, "SQSLargePayloadSize")

#: No pointer is longer, and no longer body is parsed to see whether it is one.
_LONGEST_POINTER = 8_192

_FIRST_PAUSE_SECONDS = 5
_LONGEST_PAUSE_SECONDS = 300


def dump_pointer(pointer: S3Pointer) -> str:
    """Return the SQS body that stands for an object."""
    return json.dumps([_POINTER_CLASS, {"s3BucketName": pointer.bucket, "s3Key": pointer.key}])


def load_pointer(body: str) -> S3Pointer | None:
    """Return what an SQS body points to, or None if it is no pointer. Never raises."""
    if len(body) > _LONGEST_POINTER or not body.lstrip().startswith("["):
        return None
    try:
        name, where = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if name not in _POINTER_CLASSES or not isinstance(where, dict):
        return None
    bucket, key = where.get("s3BucketName"), where.get("s3Key")
    if not isinstance(bucket, str) or not isinstance(key, str) or not _is_utf8(key):
        return None
    return S3Pointer(bucket=BucketName(bucket), key=ObjectKey(key))


def pointing(message: OutgoingMessage, pointer: S3Pointer) -> OutgoingMessage:
    """Return what goes through SQS in place of a message whose body is kept at ``pointer``."""
    size = {"DataType": "Number", "StringValue": str(text_bytes(message.body))}
    return replace(
        message,
        body=dump_pointer(pointer),
        message_attributes={**message.message_attributes, _SIZE_ATTRIBUTE: size},
    )


def pointer_problem(
    pointer: S3Pointer, *, bucket: str | None, prefix: str, options: str = "large_message"
) -> str | None:
    """Return why a pointer is not followed, or None.

    A message says where to read, and where to delete afterwards: whoever may send one must not
    choose among all that a worker's role may read or delete. So with results.

    Args:
        pointer: what a message or a result points to.
        bucket: the only one that is used, None for none.
        prefix: of the keys in it that are used.
        options: what the names of the two options begin with.
    """
    if bucket is None:
        return f"{options}_bucket is not set here"
    if pointer.bucket != bucket:
        return f"{options}_bucket is {bucket!r}"
    if not pointer.key.startswith(prefix) or not pointer.key.removeprefix(prefix):
        return f"{options}_prefix is {prefix!r}"
    if {".", ".."} & set(pointer.key.split("/")):
        # On their way, some HTTP clients and servers take these for steps up and down.
        return "its key has a part '.' or '..'"
    return None


def pause_seconds(receive_count: int) -> int:
    """Return for how long a message is hidden whose object cannot be read for now.

    Args:
        receive_count: how often SQS handed it out. Ten receives, at which most redrive policies
            give up, are 20 minutes.
    """
    seconds = _FIRST_PAUSE_SECONDS << min(max(0, receive_count - 1), 16)
    return min(_LONGEST_PAUSE_SECONDS, seconds)


def _is_utf8(text: str) -> bool:
    # JSON can name half a surrogate pair, and no request can: it would end the receiver.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
