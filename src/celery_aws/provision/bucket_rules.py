"""The lifecycle rule by which what is left over in a bucket expires, and the rules of others.

A rule of ours has an id of ours and is the only one that is ever written: the others stay exactly
as they are. What is there for as long as a task may run, or wait, must never expire before; so a
rule that keeps for longer than asked for is left alone, and one that expires too early is drift.
Facts: "Lifecycle configuration elements" and "Examples of S3 Lifecycle configurations" (of two
rules that meet, the one that expires sooner wins) in the S3 user guide.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from celery_aws.deployment import PlannedBucket
from celery_aws.limits import S3_RULE_ID_CHARACTERS
from celery_aws.names import BucketName

_DAY_SECONDS = 86_400

#: DynamoDB removes an expired item within two days, and S3 counts from the next midnight.
_LEAST_SLACK_DAYS = {"results": 2, "messages": 1}

#: What a new rule has over the longest life of a result.
_RESULT_SLACK_DAYS = 6

#: A message that is sent back from its dead-letter queue lives once more.
_MESSAGE_LIVES = 2

#: For how long a task whose message is in S3 may be parked with a new rule.
_PARKED_DAYS = 365

#: Days for which an overwritten or deleted object is kept in a bucket with versions.
_NONCURRENT_DAYS = 1

_DIGEST_CHARACTERS = 8


@dataclass(frozen=True, kw_only=True)
class BucketRule:
    """What one prefix of a bucket needs.

    Attributes:
        id: of the lifecycle rule.
        kind: what is kept there.
        prefix: of the keys.
        days: after which a new rule lets objects expire; None is never, so that there is no rule.
        least_days: fewer are too few; None if none are enough.
    """

    id: str
    kind: str
    prefix: str
    days: int | None
    least_days: int | None

    @property
    def raw(self) -> dict[str, Any]:
        """The rule in S3's form.

        Raises:
            ValueError: there is none.
        """
        if self.days is None:
            raise ValueError(f"what is under {self.prefix!r} never expires")
        return {
            "ID": self.id,
            "Status": "Enabled",
            "Filter": {"Prefix": self.prefix},
            "Expiration": {"Days": self.days},
            "NoncurrentVersionExpiration": {"NoncurrentDays": _NONCURRENT_DAYS},
        }


def rules_of(planned: Iterable[PlannedBucket]) -> dict[BucketName, tuple[BucketRule, ...]]:
    """Return what each bucket needs, by its name.

    A prefix that others begin with keeps for as long as they do.
    """
    by_name: dict[BucketName, list[PlannedBucket]] = {}
    for each in planned:
        by_name.setdefault(each.name, []).append(each)
    return {
        name: tuple(_rule(each, _within(each.prefix, together)) for each in together)
        for name, together in by_name.items()
    }


def is_kept(rule: BucketRule, rules: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether some rule of a bucket, of whoever it is, does what ``rule`` shall do.

    Never so while one of ours lets expire what is needed: the sooner one wins.
    """
    in_force = [each for each in rules if _is_in_force(each)]
    if any(_is_too_early(rule, each) for each in in_force if each.get("ID") == rule.id):
        return False
    return rule.days is None or any(
        _prefix(each) == rule.prefix and (_days(each) or 0) >= (rule.least_days or math.inf)
        for each in in_force
    )


def too_early(rule: BucketRule, rules: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Return the rules of others by which what is needed expires: their ids and days."""
    return [
        (str(each.get("ID", "without an id")), _days(each) or 0)
        for each in rules
        if _is_in_force(each)
        and each.get("ID") != rule.id
        and rule.prefix.startswith(_prefix(each))
        and _is_too_early(rule, each)
    ]


def with_rule(
    rules: Sequence[Mapping[str, Any]], rule: BucketRule
) -> tuple[Mapping[str, Any], ...]:
    """Return a bucket's rules with ours among them, if it has to be, the others as they are."""
    others = without_rules(rules, [rule.id])
    return others if rule.days is None else (*others, rule.raw)


def is_there(rule: BucketRule, rules: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether a bucket has our rule, however it is."""
    return any(each.get("ID") == rule.id for each in rules)


def without_rules(
    rules: Iterable[Mapping[str, Any]], ids: Iterable[str]
) -> tuple[Mapping[str, Any], ...]:
    """Return a bucket's rules without ours."""
    ours = set(ids)
    return tuple(each for each in rules if each.get("ID") not in ours)


def shown(rules: Iterable[Mapping[str, Any]], rule: BucketRule) -> str | None:
    """Return for people what our rule is now, or None if there is none."""
    for each in rules:
        if each.get("ID") == rule.id:
            days = _days(each)
            state = "" if each.get("Status") == "Enabled" else ", not enabled"
            what = "no expiry" if days is None else f"{days} days"
            return f"{what} under {_prefix(each)!r}{state}"
    return None


def _rule(planned: PlannedBucket, within: Sequence[PlannedBucket]) -> BucketRule:
    lives = [_days_of(each) for each in within]
    return BucketRule(
        id=_id(planned),
        kind=planned.kind,
        prefix=planned.prefix,
        days=_longest(days for days, _ in lives),
        least_days=_longest(least for _, least in lives),
    )


def _within(prefix: str, planned: Iterable[PlannedBucket]) -> list[PlannedBucket]:
    return [each for each in planned if each.prefix.startswith(prefix)]


def _longest(days: Iterable[int | None]) -> int | None:
    found = list(days)
    return None if None in found else max(each for each in found if each is not None)


def _days_of(planned: PlannedBucket) -> tuple[int | None, int | None]:
    """Return after how many days what is kept may expire, and what is the least for it."""
    if planned.longest_life_seconds is None:
        return None, None
    life = math.ceil(planned.longest_life_seconds / _DAY_SECONDS)
    least = life + _LEAST_SLACK_DAYS[planned.kind]
    if planned.kind == "results":
        return life + _RESULT_SLACK_DAYS, least
    parked = _PARKED_DAYS if planned.parks else 0
    return _MESSAGE_LIVES * life + _LEAST_SLACK_DAYS[planned.kind] + parked, least


def _id(planned: PlannedBucket) -> str:
    name = f"celery-aws-{planned.kind}"
    if not planned.prefix:
        return name
    long = f"{name}:{planned.prefix}"
    if len(long) <= S3_RULE_ID_CHARACTERS:
        return long
    digest = sha256(planned.prefix.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{long[: S3_RULE_ID_CHARACTERS - _DIGEST_CHARACTERS - 1]}-{digest}"


def _is_in_force(rule: Mapping[str, Any]) -> bool:
    # A rule that asks for a tag or a size as well is for some objects only.
    return rule.get("Status") == "Enabled" and not set(rule.get("Filter", {})) - {"Prefix"}


def _is_too_early(wanted: BucketRule, rule: Mapping[str, Any]) -> bool:
    days = _days(rule)
    return days is not None and (wanted.least_days is None or days < wanted.least_days)


def _prefix(rule: Mapping[str, Any]) -> str:
    return str(rule.get("Filter", {}).get("Prefix") or rule.get("Prefix") or "")


def _days(rule: Mapping[str, Any]) -> int | None:
    days = rule.get("Expiration", {}).get("Days")
    return None if days is None else int(days)
