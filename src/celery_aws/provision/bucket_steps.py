"""What becomes of buckets.

A new one is made for this; of any other, nothing but a lifecycle rule of our own is touched.
"""

from collections.abc import Iterator, Mapping, Sequence

from celery_aws.aws.access import Access
from celery_aws.deployment import Deployment
from celery_aws.names import BucketName
from celery_aws.provision.bucket_rules import (
    BucketRule,
    is_kept,
    is_there,
    rules_of,
    shown,
    too_early,
)
from celery_aws.provision.found import FoundBucket
from celery_aws.provision.steps import BucketStep, Difference

PUBLIC_ACCESS = "PublicAccessBlock"
ENCRYPTION = "Encryption"
_RULE = "lifecycle rule "


def bucket_steps(
    deployment: Deployment, found: Mapping[BucketName, FoundBucket]
) -> Iterator[BucketStep]:
    """Yield what becomes of each bucket, each once."""
    accesses: dict[BucketName, list[Access]] = {}
    for planned in deployment.buckets:
        accesses.setdefault(planned.name, []).append(planned.access)
    for name, rules in rules_of(deployment.buckets).items():
        yield bucket_step(name, rules, found.get(name), accesses[name])


def bucket_step(
    name: BucketName,
    rules: tuple[BucketRule, ...],
    found: FoundBucket | None,
    accesses: Sequence[Access],
) -> BucketStep:
    """Return what becomes of a bucket.

    Args:
        name: of the bucket.
        rules: what its prefixes need.
        found: how it is; None if it is missing.
        accesses: of all who use it, one at least.
    """
    conflicts = tuple(_conflicts(rules, found, {access.region for access in accesses}))
    return BucketStep(
        name=name,
        region=accesses[0].region,
        purpose=", ".join(f"{rule.kind} under {rule.prefix!r}" for rule in rules),
        exists=found is not None,
        differences=() if conflicts else tuple(_differences(rules, found)),
        conflicts=conflicts,
        notes=tuple(_notes(rules, found)),
        access=accesses[0],
        bucket=name,
        rules=rules,
        found=found,
    )


def rules_to_set(step: BucketStep) -> list[BucketRule]:
    """Return the rules that a step writes."""
    return [rule for rule in step.rules if f"{_RULE}{rule.id}" in step.changed]


def _conflicts(
    rules: Sequence[BucketRule], found: FoundBucket | None, regions: set[str]
) -> Iterator[str]:
    wrong = regions if found is None else {*regions, found.region}
    if len(wrong) > 1:
        where = "it would be" if found is None else f"it is in {found.region}, and is"
        yield (
            f"{where} used from {', '.join(sorted(regions))}: a bucket has to be in the region of "
            "the queues, or of the results table. Name another bucket"
        )
    if found is None or found.is_new:
        return
    present = found.lifecycle.rules
    for rule in rules:
        if rule.prefix or rule.days is None or is_there(rule, present):
            continue
        if not is_kept(rule, present):
            yield (
                f"without a prefix of its own, a lifecycle rule for {rule.kind} would let "
                "everything in this bucket expire, which others may use: set large_"
                f"{rule.kind[:-1]}_prefix, or add a rule yourself that keeps for at least "
                f"{rule.least_days} days"
            )


def _differences(rules: Sequence[BucketRule], found: FoundBucket | None) -> Iterator[Difference]:
    if found is None or (found.is_new and not found.public_access_blocked):
        yield Difference(
            name=PUBLIC_ACCESS, found=None if found is None else "off", wanted="all blocked"
        )
    if found is None or (found.is_new and not found.encrypted):
        yield Difference(name=ENCRYPTION, found=None if found is None else "off", wanted="AES256")
    present = () if found is None else found.lifecycle.rules
    for rule in rules:
        if not is_kept(rule, present):
            yield Difference(
                name=f"{_RULE}{rule.id}",
                found=shown(present, rule),
                wanted="none" if rule.days is None else f"{rule.days} days under {rule.prefix!r}",
            )


def _notes(rules: Sequence[BucketRule], found: FoundBucket | None) -> Iterator[str]:
    for rule in rules:
        if rule.days is None:
            yield f"{rule.kind} under {rule.prefix!r} are kept for ever: no lifecycle rule"
        present = () if found is None else found.lifecycle.rules
        for name, days in too_early(rule, present):
            yield (
                f"the lifecycle rule {name!r}, which is not ours, lets {rule.kind} expire after "
                f"{days} days, and they may be needed for {rule.least_days or 'ever'}"
            )
