"""Lifecycle rules of S3 as values: which objects each deletes by itself, and when.

Facts: "Lifecycle configuration elements" in the S3 user guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class LifecycleRule:
    """When objects are deleted by themselves.

    Attributes:
        name: its ID.
        prefix: of the keys that it is for.
        expires_days: after their creation; None if it is off, or deletes by a date, or nothing.
        whole_prefix: True if it is for all objects of the prefix; some rules are for those with a
            tag or of a size only.
        tagged: True if it is for objects with a tag only.
    """

    name: str
    prefix: str
    expires_days: int | None
    whole_prefix: bool = True
    tagged: bool = False


def lifecycle_rule(rule: Mapping[str, Any]) -> LifecycleRule:
    """Return what a rule in S3's form says."""
    found = dict(rule.get("Filter") or {})
    both = dict(found.get("And") or {})
    prefix = rule.get("Prefix") or found.get("Prefix") or both.get("Prefix") or ""
    narrowing = (set(found) | set(both)) - {"Prefix", "And"}
    days = rule.get("Expiration", {}).get("Days") if rule.get("Status") == "Enabled" else None
    return LifecycleRule(
        name=str(rule.get("ID", "")),
        prefix=str(prefix),
        expires_days=None if days is None else int(days),
        whole_prefix=not narrowing,
        tagged=not narrowing.isdisjoint(("Tag", "Tags")),
    )
