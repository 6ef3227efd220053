"""Where messages go that nobody can work on.

Facts: "Using dead-letter queues in Amazon SQS" in the SQS developer guide: the dead-letter queue is
in the same region and account, of the same type, and its retention counts from the first send;
SetQueueAttributes (RedriveAllowPolicy).
"""

import json
from collections.abc import Iterator

from celery_aws.core.dead_letters import is_dead_letter_name
from celery_aws.core.durations import duration_text
from celery_aws.core.queue_names import is_fifo
from celery_aws.doctor.examined import DeadLetterTarget, ExaminedQueue
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, error, warning
from celery_aws.limits import (
    SQS_MAX_RECEIVE_COUNT_MIN,
    SQS_MESSAGE_BYTES,
    SQS_RETENTION_SECONDS_MAX,
)

#: Of a predefined queue, which nothing here ever changes.
_OF_OWNER = "Give the queue a RedrivePolicy that names a dead-letter queue"

#: arn:partition:sqs:region:account:name
_REGION_TO_ACCOUNT = slice(3, 5)

WITHOUT = warning(
    "queue-without-dead-letters",
    "The queue has no dead-letter queue: a rejected task is deleted, and one that kills its worker "
    "comes back for ever.",
    "Make one and point to it: `celery -A proj aws provision apply`. Or set max_receive_count to "
    "0, if that is what is wanted",
)
GONE = error(
    "dead-letter-queue-missing",
    "The redrive policy points to a queue that does not exist: SQS moves nothing, and rejected "
    "tasks come back for ever.",
    "Make the queue again under the same name, or point the queue's RedrivePolicy to another one",
)
ELSEWHERE = error(
    "dead-letter-queue-elsewhere",
    "The redrive policy points to another region or account, where SQS moves nothing.",
    "Point the queue's RedrivePolicy to a queue of its own region and account",
)
TYPE = error(
    "dead-letter-queue-of-another-type",
    "One of the queue and its dead-letter queue is a FIFO queue, the other is not: SQS moves "
    "nothing.",
    "Point the queue's RedrivePolicy to a queue of its own type",
)
NOT_ALLOWED = error(
    "redrive-not-allowed",
    "The dead-letter queue does not let this queue use it (RedriveAllowPolicy).",
    "Add the queue's ARN to sourceQueueArns of the dead-letter queue's RedriveAllowPolicy, or "
    "remove that policy",
)
ONE_RECEIVE = warning(
    "max-receive-count-one",
    "SQS moves a message after its first receive: a task whose worker was stopped or killed while "
    "it waited is a dead letter, though it never ran.",
    "Raise maxReceiveCount in the queue's RedrivePolicy, to 10 for example",
)
WAITING = warning(
    "dead-letters-waiting",
    "Tasks have failed for good and wait to be looked at. SQS deletes them when the retention of "
    "the dead-letter queue is over.",
    "Look at them with `celery -A proj aws dlq show QUEUE`, send back what was worth it with `dlq "
    "redrive`, drop the rest with `dlq drop`",
)
EXPIRE_FIRST = warning(
    "dead-letter-retention-short",
    "The dead-letter queue keeps messages no longer than the queue: on a standard queue the time "
    "counts from the first send, so a message may be deleted right after it was moved.",
    "Raise MessageRetentionPeriod of the dead-letter queue, to 1209600 (14 days)",
)
SMALLER = warning(
    "dead-letter-size-small",
    "The dead-letter queue takes smaller messages than the queue: larger ones cannot be moved.",
    "Raise MaximumMessageSize of the dead-letter queue to that of the queue",
)

KINDS = (WITHOUT, GONE, ELSEWHERE, TYPE, NOT_ALLOWED, ONE_RECEIVE, WAITING, EXPIRE_FIRST, SMALLER)


def absence(facts: Facts) -> Iterator[Finding]:
    """Tell which queues have no dead-letter queue."""
    options = facts.deployment.options
    if options is None or not options.max_receive_count:
        return
    for queue in facts.queues:
        known = queue.attributes.answer is not None
        if known and queue.dead_letters is None and not is_dead_letter_name(queue.name):
            remedy = None if queue.planned.predefined is None else _OF_OWNER
            yield WITHOUT.found(queue.what, "it has no RedrivePolicy", remedy=remedy)


def targets(facts: Facts) -> Iterator[Finding]:
    """Look at where redrive policies point."""
    for queue in facts.queues:
        target = queue.dead_letters
        if target is None:
            continue
        if target.attributes.missing:
            evidence = f"its RedrivePolicy names {target.arn}, which is not there, or not shown"
            yield GONE.found(queue.what, evidence)
        if is_fifo(queue.name) != is_fifo(target.arn):
            yield TYPE.found(queue.what, f"its RedrivePolicy names {target.arn}")
        if _is_elsewhere(queue, target):
            yield ELSEWHERE.found(queue.what, f"its RedrivePolicy names {target.arn}")
        if target.max_receive_count == SQS_MAX_RECEIVE_COUNT_MIN:
            yield ONE_RECEIVE.found(queue.what, "maxReceiveCount is 1")


def permissions(facts: Facts) -> Iterator[Finding]:
    """Look at which queues dead-letter queues let use them."""
    for queue in facts.queues:
        target, own = queue.dead_letters, (queue.attributes.answer or {}).get("QueueArn")
        policy = _allow_policy(target)
        if target is None or own is None or policy is None:
            continue
        if own not in policy:
            yield NOT_ALLOWED.found(target.what, f"its RedriveAllowPolicy leaves out {own}")


def waiting(facts: Facts) -> Iterator[Finding]:
    """Tell which dead-letter queues are not empty."""
    for target in facts.dead_letter_targets():
        messages = target.number("ApproximateNumberOfMessages") or 0
        if messages:
            retention = target.number("MessageRetentionPeriod")
            kept = "" if retention is None else f"; it keeps them {duration_text(retention)}"
            yield WAITING.found(target.what, f"about {messages:,} message(s){kept}")


def limits(facts: Facts) -> Iterator[Finding]:
    """Compare what dead-letter queues take with what their queues do."""
    for queue in facts.queues:
        target = queue.dead_letters
        if target is None or target.attributes.answer is None:
            continue
        kept = queue.number("MessageRetentionPeriod") or 0
        keeps = target.number("MessageRetentionPeriod") or SQS_RETENTION_SECONDS_MAX
        # There is nothing to raise at the most that SQS takes.
        if keeps <= min(kept, SQS_RETENTION_SECONDS_MAX - 1) and not is_fifo(queue.name):
            evidence = f"{duration_text(keeps)}, and {queue.name} {duration_text(kept)}"
            yield EXPIRE_FIRST.found(target.what, evidence)
        size = queue.number("MaximumMessageSize") or SQS_MESSAGE_BYTES
        takes = target.number("MaximumMessageSize") or SQS_MESSAGE_BYTES
        if takes < size:
            yield SMALLER.found(target.what, f"{takes} bytes, and {queue.name} {size}")


def _is_elsewhere(queue: ExaminedQueue, target: DeadLetterTarget) -> bool:
    own = (queue.attributes.answer or {}).get("QueueArn", "").split(":")[_REGION_TO_ACCOUNT]
    return bool(own) and own != target.arn.split(":")[_REGION_TO_ACCOUNT]


def _allow_policy(target: DeadLetterTarget | None) -> frozenset[str] | None:
    """Return which queues may use a dead-letter queue; None if all may, or it is not known."""
    if target is None or target.attributes.answer is None:
        return None
    try:
        policy = json.loads(target.attributes.answer.get("RedriveAllowPolicy") or "{}")
        permission = policy.get("redrivePermission", "allowAll")
        sources = frozenset(map(str, policy.get("sourceQueueArns") or ()))
    except (AttributeError, TypeError, ValueError):
        return None
    if permission == "denyAll":
        return frozenset()
    return sources if permission == "byQueue" else None


CHECKS = (absence, targets, permissions, waiting, limits)
