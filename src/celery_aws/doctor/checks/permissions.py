"""What the role may not do, and what could not be looked at because of that or of a failure."""

from collections.abc import Iterator, Mapping
from typing import Any

from celery_aws.doctor.checks.credentials import reason_of, refusal_kind
from celery_aws.doctor.examined import Attempt, Outcome
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, Kind, error, notice, warning
from celery_aws.doctor.look import Look
from celery_aws.errors import (
    AccessDeniedError,
    AwsError,
    CeleryAwsError,
    EncryptionKeyError,
    NotFoundError,
    UnreachableError,
)

DENIED = error(
    "permission-denied",
    "Who asks may not do something that the role needs.",
    "Grant the action on the resource: `celery -A proj aws iam ROLE` prints the whole policy",
)
ATTRIBUTES = warning(
    "queue-attributes-denied",
    "Who asks may not see the queue's attributes: workers then leave rejected tasks to come back, "
    "instead of moving them to the dead-letter queue, and take SQS's defaults for the rest.",
    "Grant sqs:GetQueueAttributes on the queue",
)
NOT_SEEN = notice(
    "not-examined",
    "Something could not be looked at, because who asks may not. Workers do not need that right.",
    "Nothing has to be done; with the right there may be more findings",
)
FAILED = warning(
    "request-failed",
    "AWS did not answer a question as it should, so that something was not looked at.",
    "Try again; if it stays, the evidence says what AWS answered",
)
UNUSABLE_KEY = error(
    "encryption-key-denied",
    "The KMS key of a queue, table or bucket may not be used by who asks.",
    "Grant kms:Decrypt and kms:GenerateDataKey on the key",
)

KINDS = (DENIED, ATTRIBUTES, NOT_SEEN, FAILED, UNUSABLE_KEY)

#: What comes of it, of questions that a worker asks too.
_NEEDED: Mapping[str, Kind] = {"GetQueueUrl": DENIED, "GetQueueAttributes": ATTRIBUTES}


def attempts(facts: Facts) -> Iterator[Finding]:
    """Tell what was tried and denied."""
    denied: dict[str, list[Attempt]] = {}
    for attempt in facts.attempts:
        if attempt.outcome is Outcome.DENIED:
            denied.setdefault(attempt.resource, []).append(attempt)
    for resource, several in denied.items():
        actions = ", ".join(attempt.action for attempt in several)
        yield DENIED.found(resource, f"{actions}: {several[0].reason}")


def questions(facts: Facts) -> Iterator[Finding]:
    """Tell what could not be looked at."""
    seen: set[tuple[str, str]] = set()
    for what, failure in _failures(facts):
        operation = failure.operation if isinstance(failure, AwsError) else ""
        if not _said_elsewhere(failure) and (what, operation) not in seen:
            seen.add((what, operation))
            yield _failed(what, failure, operation)
    for target in facts.dead_letter_targets():
        unseen = target.attributes.error
        if unseen is not None and not _said_elsewhere(unseen):
            # Workers send there, and ask nothing.
            kind = NOT_SEEN if isinstance(unseen, AccessDeniedError) else FAILED
            yield kind.found(target.what, _evidence(unseen))


def _said_elsewhere(failure: CeleryAwsError) -> bool:
    return isinstance(failure, NotFoundError) or refusal_kind(failure) is not None


def _failed(what: str, failure: CeleryAwsError, operation: str) -> Finding:
    if isinstance(failure, EncryptionKeyError):
        return UNUSABLE_KEY.found(what, _evidence(failure))
    if not isinstance(failure, AccessDeniedError):
        return FAILED.found(what, _evidence(failure))
    return _NEEDED.get(operation, NOT_SEEN).found(what, _evidence(failure))


def _evidence(failure: CeleryAwsError) -> str:
    operation = failure.operation if isinstance(failure, AwsError) else ""
    return f"{operation}: {reason_of(failure)}" if operation else reason_of(failure)


def _failures(facts: Facts) -> Iterator[tuple[str, CeleryAwsError]]:
    """Yield what was looked at in vain, and why."""
    for what, look in _looks(facts):
        if look.error is not None:
            yield what, look.error


def _looks(facts: Facts) -> Iterator[tuple[str, Look[Any]]]:
    for connection in facts.connections:
        if not isinstance(connection.reached.error, UnreachableError):
            yield f"{connection.service} of {connection.purpose}", connection.reached
    for queue in facts.queues:
        yield queue.what, queue.attributes
        yield queue.what, queue.key
    for table in facts.tables:
        for of_table in (table.details, table.expiry, table.recovery):
            yield table.what, of_table
    for bucket in facts.buckets:
        if not isinstance(bucket.region.error, UnreachableError):
            for each in (bucket.region, bucket.public_access_blocked, bucket.policy, bucket.rules):
                yield bucket.what, each
    shared = facts.shared
    for of_shared in (shared.inboxes, shared.bindings, shared.workers, shared.parked):
        yield "coordination table", of_shared
    yield "names of all queues", facts.queue_names


CHECKS = (attempts, questions)
