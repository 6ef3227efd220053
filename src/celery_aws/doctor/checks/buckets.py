"""Whether buckets are there, private, and tidied up.

Facts: "Blocking public access to your Amazon S3 storage" and "Lifecycle configuration elements" in
the S3 user guide; docs/how-to/large-messages.md says what is left in the bucket.
"""

import math
import re
from collections.abc import Iterator

from celery_aws.core.lifecycle_rules import LifecycleRule
from celery_aws.doctor.examined import ExaminedBucket, ExaminedQueue
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, error, warning
from celery_aws.limits import SQS_RETENTION_SECONDS_DEFAULT, SQS_RETENTION_SECONDS_MAX

_DAY_SECONDS = 86_400

_UUID_BEGINNING = re.compile(r"[0-9a-f-]{0,36}")

MISSING = error(
    "bucket-missing",
    "The bucket does not exist: what is too large for SQS or DynamoDB cannot be stored.",
    "Make it with `celery -A proj aws provision apply`, or check the option that names it",
)
ELSEWHERE = warning(
    "bucket-in-another-region",
    "The bucket is in another region than what its objects belong to: slower, and transfer between "
    "regions is paid.",
    "Use a bucket of the same region",
)
NOT_BLOCKED = warning(
    "bucket-public-access-not-blocked",
    "S3 would let a policy or an ACL make objects of the bucket public: tasks and results are in "
    "it.",
    "`aws s3api put-public-access-block --bucket BUCKET --public-access-block-configuration "
    "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true`",
)
NO_RULE = warning(
    "bucket-without-lifecycle-rule",
    "No lifecycle rule deletes what is left in the bucket: objects of messages that expired, were "
    "purged or became dead letters, and results that were not forgotten, stay for ever.",
    "Add a rule for the prefix: `celery -A proj aws provision apply`",
)
TOO_SOON = error(
    "bucket-lifecycle-rule-short",
    "A lifecycle rule deletes objects that may still be needed: their tasks cannot be decoded, "
    "their results cannot be read.",
    "Give the rule more days than a message, or a result, may live",
)

KINDS = (MISSING, ELSEWHERE, NOT_BLOCKED, NO_RULE, TOO_SOON)


def existence(facts: Facts) -> Iterator[Finding]:
    """Tell which buckets are missing, or elsewhere."""
    for bucket in facts.buckets:
        if bucket.region.missing:
            yield MISSING.found(bucket.what, "S3 has no such bucket")
        region, wanted = bucket.region.answer, bucket.planned.access.region
        if region and region != wanted:
            yield ELSEWHERE.found(bucket.what, f"it is in {region}, and not in {wanted}")


def public_access(facts: Facts) -> Iterator[Finding]:
    """Tell which buckets could be made public."""
    for bucket in facts.buckets:
        if bucket.public_access_blocked.answer is False:
            yield NOT_BLOCKED.found(bucket.what, "not all four blocks of public access are on")


def lifecycle(facts: Facts) -> Iterator[Finding]:
    """Look at what deletes objects by itself."""
    for bucket in facts.buckets:
        rules = bucket.rules.answer
        if rules is None:
            continue
        prefix = bucket.planned.prefix
        ours = [rule for rule in rules if rule.expires_days is not None]
        needed = _needed_days(bucket, facts)
        covered = any(prefix.startswith(rule.prefix) and rule.whole_prefix for rule in ours)
        if needed is not None and not covered:
            yield NO_RULE.found(bucket.what, f"no rule expires all objects of {prefix!r}")
        for rule in ours:
            days = rule.expires_days
            early = days is not None and (needed is None or days < needed)
            if early and _touches(rule, prefix):
                kept = "for ever" if needed is None else f"for {needed} day(s)"
                evidence = f"rule {rule.name!r}: {days} day(s), and objects are needed {kept}"
                yield TOO_SOON.found(bucket.what, evidence)


def _touches(rule: LifecycleRule, prefix: str) -> bool:
    """Tell whether a rule is for some of our objects: a UUID under the prefix, without tags."""
    if rule.tagged:
        return False
    if not rule.prefix.startswith(prefix):
        return prefix.startswith(rule.prefix)
    return _UUID_BEGINNING.fullmatch(rule.prefix.removeprefix(prefix)) is not None


def _needed_days(bucket: ExaminedBucket, facts: Facts) -> int | None:
    """Return how many days an object may be needed; None if a rule cannot be right."""
    if bucket.planned.kind == "results":
        life = bucket.planned.longest_life_seconds
        return None if life is None else math.ceil(life / _DAY_SECONDS)
    lives = (_life_seconds(queue) for queue in facts.queues)
    return math.ceil(max(lives, default=SQS_RETENTION_SECONDS_DEFAULT) / _DAY_SECONDS)


def _life_seconds(queue: ExaminedQueue) -> int:
    """Return for how long SQS keeps a message, in its queue and then in the dead-letter queue.

    What a worker rejects, and what a FIFO queue moves, begins anew there.
    """
    name, target = "MessageRetentionPeriod", queue.dead_letters
    own = queue.number(name) or SQS_RETENTION_SECONDS_DEFAULT
    return own + ((target.number(name) or SQS_RETENTION_SECONDS_MAX) if target else 0)


CHECKS = (existence, public_access, lifecycle)
