"""Resource policies of queues and buckets: who else may, and who may not.

Only what needs no knowledge of conditions is judged: a statement with a condition is left alone,
because most of those are right (``aws:SecureTransport``, ``aws:SourceArn``). Facts: "Grammar of the
IAM JSON policy language" in the IAM user guide.
"""

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from celery_aws.aws.identity import Identity
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, error

#: What somebody else must not do with a queue of tasks.
_OF_STRANGERS = ("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:PurgeQueue",
                 "sqs:ChangeMessageVisibility")  # fmt: skip

#: What each role does with queues.
_OF_ROLES: Mapping[str, tuple[str, ...]] = {
    "producer": ("sqs:SendMessage", "sqs:GetQueueUrl"),
    "worker": ("sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ReceiveMessage",
               "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"),
    "monitor": ("sqs:GetQueueUrl", "sqs:GetQueueAttributes"),
    "migrator": ("sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes",
                 "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"),
}  # fmt: skip

#: Of a role's session; a path of the role is not in it.
_SESSION = re.compile(r"arn:[^:]+:sts::\d+:assumed-role/([^/]+)/.+")

PUBLIC_QUEUE = error(
    "queue-public",
    "The queue's policy lets everybody use it, without a condition: anyone with an AWS account may "
    "have workers run tasks with arguments of their own, or read and delete tasks.",
    "Name the accounts or roles in the policy's Principal, or remove the statement",
)
DENIED = error(
    "queue-policy-denies",
    "The queue's policy denies something that the role needs, to everybody or to who asks, "
    "without a condition; no other policy can allow it then.",
    "Remove the statement, or except the role from it",
)
PUBLIC_BUCKET = error(
    "bucket-public",
    "The bucket's policy lets everybody read or write, without a condition: large tasks and "
    "results are in it.",
    "Block public access to the bucket (`aws s3api put-public-access-block`), or use one of its "
    "own",
)

KINDS = (PUBLIC_QUEUE, DENIED, PUBLIC_BUCKET)


def queue_policies(facts: Facts) -> Iterator[Finding]:
    """Look at the policies of queues."""
    identity = facts.identity.answer
    ours = () if identity is None else _names_of(identity)
    for queue in facts.queues:
        for statement in _statements((queue.attributes.answer or {}).get("Policy")):
            open_to_all = "*" in _principals(statement)
            actions = [each for each in _OF_STRANGERS if _covers(statement, each)]
            if statement.get("Effect") == "Allow" and open_to_all and actions:
                yield PUBLIC_QUEUE.found(queue.what, f"{_name(statement)}: {', '.join(actions)}")
            needed = [each for each in _OF_ROLES[facts.role] if _covers(statement, each)]
            meant = open_to_all or not _principals(statement).isdisjoint(ours)
            if statement.get("Effect") == "Deny" and meant and needed:
                yield DENIED.found(queue.what, f"{_name(statement)}: {', '.join(needed)}")


def bucket_policies(facts: Facts) -> Iterator[Finding]:
    """Look at the policies of buckets."""
    for bucket in facts.buckets:
        if bucket.public_access_blocked.answer:
            continue
        for statement in _statements(bucket.policy.answer):
            if statement.get("Effect") == "Allow" and "*" in _principals(statement):
                yield PUBLIC_BUCKET.found(bucket.what, _name(statement))


def _statements(policy: str | None) -> list[Mapping[str, Any]]:
    """Return the statements of a policy that have no condition."""
    try:
        found = json.loads(policy or "{}").get("Statement", [])
    except (AttributeError, ValueError):
        return []
    several = found if isinstance(found, list) else [found]
    return [each for each in several if isinstance(each, dict) and not each.get("Condition")]


def _principals(statement: Mapping[str, Any]) -> frozenset[str]:
    principal = statement.get("Principal")
    return frozenset(_texts(principal.get("AWS") if isinstance(principal, dict) else principal))


def _covers(statement: Mapping[str, Any], action: str) -> bool:
    # NotAction is left alone: nobody writes it in a queue's policy.
    patterns = _texts(statement.get("Action"))
    return any(fnmatchcase(action.lower(), each.lower()) for each in patterns)


def _texts(found: Any) -> list[str]:
    """Return what may be one text or several; what else there is, AWS would have refused."""
    several = found if isinstance(found, list) else [found]
    return [each for each in several if isinstance(each, str)]


def _name(statement: Mapping[str, Any]) -> str:
    return f"statement {statement['Sid']}" if statement.get("Sid") else "a statement without Sid"


def _names_of(identity: Identity) -> tuple[str, ...]:
    """Return how a policy may name who asks: the session, its role, or the whole account."""
    start = f"arn:{identity.partition}:iam::{identity.account}"
    names = (identity.arn, identity.account, f"{start}:root")
    session = _SESSION.fullmatch(identity.arn)
    return names if session is None else (*names, f"{start}:role/{session[1]}")


CHECKS = (queue_policies, bucket_policies)
