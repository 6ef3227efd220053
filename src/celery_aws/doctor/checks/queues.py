"""Whether queues are there, and whether their attributes suit what the broker does with them.

Facts: CreateQueue and GetQueueAttributes in the SQS API reference; "Amazon SQS message quotas".
"""

from collections.abc import Iterator

from celery_aws.core.durations import duration_text
from celery_aws.doctor.examined import ExaminedQueue
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, error, notice, warning
from celery_aws.limits import (
    SQS_IN_FLIGHT_COUNT,
    SQS_MESSAGE_BYTES,
    SQS_OLD_QUEUE_MESSAGE_BYTES,
)

#: A queue that keeps messages for less loses them in a night without workers.
DAY_SECONDS = 86_400

#: From Friday evening to Monday morning.
WEEKEND_SECONDS = 3 * DAY_SECONDS

#: Of what SQS lets be in flight, the part from which it is worth a warning.
_NEARLY = 0.8

MISSING = error(
    "queue-missing",
    "A queue does not exist, and is not made at its first use: create_missing_queues is off, or it "
    "is one of predefined_queues. Sending to it fails, and workers cannot consume it.",
    "Make it with `celery -A proj aws provision apply`, or check the region, queue_name_prefix and "
    "its name or URL",
)
NOT_YET = notice(
    "queue-not-yet-made",
    "A queue does not exist; who first uses it makes it, if it may (sqs:CreateQueue).",
    "Make it before with `celery -A proj aws provision apply`; or nothing",
)
DELAY = warning(
    "queue-delays-messages",
    "The queue delays every message: each task without an eta starts late by that.",
    "Set the queue's DelaySeconds to 0: `aws sqs set-queue-attributes --queue-url URL --attributes "
    "DelaySeconds=0`. Etas and countdowns need no delay of the queue",
)
RETENTION = warning(
    "retention-short",
    "The queue keeps messages for less than a day: when no worker runs for a night, SQS deletes "
    "tasks in silence.",
    "Raise the queue's MessageRetentionPeriod: SQS's default is 345600 (four days), the most "
    "1209600",
)
WEEKEND = notice(
    "retention-below-weekend",
    "The queue keeps messages for less than three days: when workers stop on a Friday evening, SQS "
    "has deleted tasks by Monday.",
    "Raise the queue's MessageRetentionPeriod, if nobody is called at the weekend",
)
VISIBILITY = notice(
    "visibility-timeout-differs",
    "The queue has another visibility timeout than the option. The option is sent with each "
    "receive; only consumers other than this package's, such as Celery's own sqs://, go by the "
    "queue's.",
    "If others consume it too, set the queue's VisibilityTimeout to what they need; else nothing",
)
SMALL = warning(
    "message-size-limited",
    "The queue takes smaller messages than any queue does by itself: larger tasks are refused.",
    "Set the queue's MaximumMessageSize to 1048576, or set large_message_bucket",
)
OLD = notice(
    "message-size-of-old-queue",
    "The queue was made before August 2025 and takes messages of 256 KB; SQS takes 1 MiB now.",
    "Set the queue's MaximumMessageSize to 1048576, if larger tasks are sent",
)
THRESHOLD = notice(
    "large-message-threshold-above-queue",
    "large_message_threshold_bytes is more than the queue takes: messages go through S3 from what "
    "the queue takes.",
    "Raise the queue's MaximumMessageSize, or leave large_message_threshold_bytes out",
)
IN_FLIGHT = warning(
    "in-flight-near-limit",
    "Nearly as many messages are in flight as SQS allows; at the limit nobody receives anything.",
    "Look for consumers that receive and never delete: Celery's own sqs:// with etas, or workers "
    "with worker_prefetch_multiplier 0",
)
UNENCRYPTED = notice(
    "queue-unencrypted",
    "Messages of the queue are not encrypted at rest: SQS's own encryption was switched off.",
    "Set the queue's SqsManagedSseEnabled to true; it costs nothing",
)
KEY = error(
    "encryption-key-unusable",
    "The KMS key of a queue cannot be used: sending and receiving fail.",
    "Enable the key (`aws kms enable-key`, `aws kms cancel-key-deletion`), or give the queue "
    "another one",
)

KINDS = (MISSING, NOT_YET, DELAY, RETENTION, WEEKEND, VISIBILITY, SMALL, OLD, THRESHOLD, IN_FLIGHT,
         UNENCRYPTED, KEY)  # fmt: skip


def existence(facts: Facts) -> Iterator[Finding]:
    """Tell which queues are missing."""
    options = facts.deployment.options
    for queue in facts.queues:
        if not queue.attributes.missing:
            continue
        made = options is not None and options.create_missing_queues
        made = made and queue.planned.predefined is None
        kind = NOT_YET if made else MISSING
        evidence = f"SQS has no such queue in {queue.region}, or does not show it"
        yield kind.found(queue.what, evidence)


def delays(facts: Facts) -> Iterator[Finding]:
    """Look at queues that delay what is sent to them."""
    for queue in facts.queues:
        seconds = queue.number("DelaySeconds") or 0
        if seconds:
            yield DELAY.found(queue.what, f"DelaySeconds is {seconds}")


def retention(facts: Facts) -> Iterator[Finding]:
    """Look at how long queues keep messages."""
    for queue in facts.queues:
        seconds = queue.number("MessageRetentionPeriod")
        if seconds is None or seconds >= WEEKEND_SECONDS:
            continue
        kind = RETENTION if seconds < DAY_SECONDS else WEEKEND
        evidence = f"MessageRetentionPeriod is {seconds} ({duration_text(seconds)})"
        yield kind.found(queue.what, evidence)


def visibility(facts: Facts) -> Iterator[Finding]:
    """Compare visibility timeouts with the option."""
    options = facts.deployment.options
    for queue in facts.queues:
        seconds = queue.number("VisibilityTimeout")
        if options is not None and seconds not in (None, options.visibility_timeout):
            evidence = f"the queue's is {seconds}, the option's {options.visibility_timeout}"
            yield VISIBILITY.found(queue.what, evidence)


def sizes(facts: Facts) -> Iterator[Finding]:
    """Look at how large a message may be."""
    for queue in facts.queues:
        limit = queue.number("MaximumMessageSize")
        if limit is not None and limit < SQS_MESSAGE_BYTES:
            yield from _size_of(queue, limit, facts)


def in_flight(facts: Facts) -> Iterator[Finding]:
    """Look at how many messages are in flight."""
    for queue in facts.queues:
        messages = queue.number("ApproximateNumberOfMessagesNotVisible") or 0
        if messages >= _NEARLY * SQS_IN_FLIGHT_COUNT:
            evidence = f"about {messages:,} messages of {SQS_IN_FLIGHT_COUNT:,} are in flight"
            yield IN_FLIGHT.found(queue.what, evidence)


def encryption(facts: Facts) -> Iterator[Finding]:
    """Look at how messages are encrypted."""
    for queue in facts.queues:
        attributes = queue.attributes.answer or {}
        key = attributes.get("KmsMasterKeyId")
        if attributes.get("SqsManagedSseEnabled") == "false" and not key:
            yield UNENCRYPTED.found(queue.what, "neither SqsManagedSseEnabled nor KmsMasterKeyId")
        state = queue.key.answer
        if state is not None and not state.usable:
            yield KEY.found(queue.what, f"the key {key} is {state.state}")


def _size_of(queue: ExaminedQueue, limit: int, facts: Facts) -> Iterator[Finding]:
    options = facts.deployment.options
    evidence = f"MaximumMessageSize is {limit}"
    if options is None or options.large_message_bucket is None:
        if limit <= SQS_OLD_QUEUE_MESSAGE_BYTES:
            kind = OLD if limit == SQS_OLD_QUEUE_MESSAGE_BYTES else SMALL
            yield kind.found(queue.what, evidence)
    elif (options.large_message_threshold_bytes or 0) > limit:
        threshold = options.large_message_threshold_bytes
        yield THRESHOLD.found(
            queue.what, f"{evidence}, large_message_threshold_bytes is {threshold}"
        )


CHECKS = (existence, delays, retention, visibility, sizes, in_flight, encryption)
