"""Whether the attributes of a queue are as they shall be, in the forms that SQS gives them back in.

Only what is asked for is compared. Numbers come back as text, policies as JSON in whatever layout,
keys of KMS by the name that they were given, and what was never set by its default or not at all.
Facts: CreateQueue and GetQueueAttributes in the SQS API reference (read 2026-11-23).
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from celery_aws.core.dead_letters import REDRIVE_POLICY, owner_and_name, redrive_policy
from celery_aws.limits import (
    SQS_MESSAGE_BYTES,
    SQS_REDRIVE_SOURCE_COUNT,
    SQS_RETENTION_SECONDS_DEFAULT,
    SQS_VISIBILITY_TIMEOUT_SECONDS_DEFAULT,
)
from celery_aws.names import QueueArn, QueueName

FIFO_QUEUE: Final = "FifoQueue"
KMS_KEY: Final = "KmsMasterKeyId"
MANAGED_ENCRYPTION: Final = "SqsManagedSseEnabled"
POLICY: Final = "Policy"
REDRIVE_ALLOW_POLICY: Final = "RedriveAllowPolicy"

_POLICIES: Final = frozenset({POLICY, REDRIVE_POLICY, REDRIVE_ALLOW_POLICY})

#: What a queue has that was given nothing; SQS leaves some of it out of its answer.
_DEFAULTS: Final = {
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "DelaySeconds": "0",
    FIFO_QUEUE: "false",
    "FifoThroughputLimit": "perQueue",
    "KmsDataKeyReusePeriodSeconds": "300",
    KMS_KEY: "",
    "MaximumMessageSize": str(SQS_MESSAGE_BYTES),
    "MessageRetentionPeriod": str(SQS_RETENTION_SECONDS_DEFAULT),
    "ReceiveMessageWaitTimeSeconds": "0",
    "VisibilityTimeout": str(SQS_VISIBILITY_TIMEOUT_SECONDS_DEFAULT),
}

#: An account as a principal; its number alone says the same, and AWS gives back what it likes.
_ACCOUNT: Final = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")

#: Of a policy for people.
_SHOWN_CHARACTERS: Final = 100


def different(wanted: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Return those of the attributes wanted that a queue does not have."""
    return {
        name: value
        for name, value in wanted.items()
        if _comparable(name, value) != _comparable(name, _value(name, found))
    }


def to_set(changes: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Return what to set for some changes: a queue has one kind of encryption only.

    SQS switches its own off by itself when it is given a key of KMS, and not the other way round.
    """
    if changes.get(MANAGED_ENCRYPTION, "").lower() == "true" and found.get(KMS_KEY):
        return {**changes, KMS_KEY: ""}
    return dict(changes)


def beside(arn: QueueArn, name: QueueName) -> QueueArn:
    """Return the ARN of a queue of the account and region of another one."""
    return QueueArn(f"{arn.rpartition(':')[0]}:{name}")


def allowing(text: str | None, sources: list[QueueArn]) -> str | None:
    """Return the RedriveAllowPolicy by which queues may use a dead-letter queue, or None.

    None is that they may as it is. Without a policy every queue may.

    Args:
        text: the policy that is there.
        sources: ARNs of the queues.

    Raises:
        ValueError: the policy forbids all queues to use it.
    """
    policy = json.loads(text) if text else {}
    permission = policy.get("redrivePermission", "allowAll")
    if permission == "allowAll" or not sources:
        return None
    if permission == "denyAll":
        raise ValueError("redrivePermission is denyAll")
    known = list(policy.get("sourceQueueArns", ()))
    missing = [arn for arn in sources if arn not in known]
    if not missing:
        return None
    if len(known) + len(missing) > SQS_REDRIVE_SOURCE_COUNT:
        return json.dumps({"redrivePermission": "allowAll"})
    return json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [*known, *missing]})


def shown(name: str, value: str | None) -> str | None:
    """Return an attribute for people."""
    if value is None or name not in _POLICIES:
        return value
    policy = redrive_policy(value) if name == REDRIVE_POLICY else None
    if policy is not None:
        return f"{_queue_of(policy.target)} after {policy.max_receive_count} receives"
    return value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}..."


def _queue_of(arn: QueueArn) -> str:
    try:
        return owner_and_name(arn)[1]
    except ValueError:
        return arn


def _value(name: str, found: Mapping[str, str]) -> str | None:
    if name == MANAGED_ENCRYPTION and not found.get(KMS_KEY):
        return found.get(name, "true")
    return found.get(name, _DEFAULTS.get(name))


def _comparable(name: str, value: str | None) -> Any:
    if not value:
        return "false" if name == MANAGED_ENCRYPTION else None
    if name in _POLICIES:
        return _policy(name, value)
    if name == KMS_KEY:
        return key_name(value)
    return value.lower() if value.lower() in ("true", "false") else _number(value)


def _number(value: str) -> int | str:
    return int(value) if value.isdecimal() else value


def key_name(key: str) -> str:
    """Return the id or alias of a key, which may be given by its ARN."""
    return key.rsplit(":", maxsplit=1)[-1].removeprefix("key/")


def _policy(name: str, value: str) -> Any:
    try:
        policy = json.loads(value)
    except ValueError:
        return value
    if name == REDRIVE_POLICY and isinstance(policy, dict):
        return {**policy, "maxReceiveCount": _number(str(policy.get("maxReceiveCount", "")))}
    return _plain(policy)


def _plain(value: Any) -> Any:
    """Return a policy in one form: one of a list is as good as itself, and order says nothing."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        plain = sorted(
            (_plain(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True)
        )
        return plain[0] if len(plain) == 1 else plain
    account = _ACCOUNT.fullmatch(value) if isinstance(value, str) else None
    return account[1] if account else value
