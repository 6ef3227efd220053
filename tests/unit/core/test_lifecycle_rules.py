from typing import Any

import pytest

from celery_aws.core.lifecycle_rules import LifecycleRule, lifecycle_rule

EXPIRY = {"ID": "r", "Status": "Enabled", "Expiration": {"Days": 30}}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"Filter": {"Prefix": "t/"}}, {"prefix": "t/"}),
        ({"Prefix": "t/"}, {"prefix": "t/"}),
        ({"Filter": {}}, {"prefix": ""}),
        (
            {"Filter": {"Tag": {"Key": "a"}}},
            {"prefix": "", "whole_prefix": False, "tagged": True},
        ),
        (
            {"Filter": {"And": {"Prefix": "t/", "Tags": [{"Key": "a"}]}}},
            {"prefix": "t/", "whole_prefix": False, "tagged": True},
        ),
        (
            {"Filter": {"And": {"Prefix": "t/", "ObjectSizeGreaterThan": 5}}},
            {"prefix": "t/", "whole_prefix": False},
        ),
    ],
    ids=["filter", "old", "all", "tag", "tags", "and"],
)
def test_what_a_rule_is_for(written: dict[str, Any], expected: dict[str, Any]) -> None:
    found = LifecycleRule(name="r", expires_days=30, **expected)
    assert lifecycle_rule({**EXPIRY, **written}) == found


@pytest.mark.parametrize(
    "changes",
    [
        {"Status": "Disabled"},
        {"Expiration": {"Date": "2030-01-01"}},
        {"Expiration": {"ExpiredObjectDeleteMarker": True}},
        {"Expiration": {}, "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]},
    ],
    ids=["off", "date", "markers", "moved"],
)
def test_rules_that_delete_nothing_by_age(changes: dict[str, Any]) -> None:
    assert lifecycle_rule({**EXPIRY, **changes}).expires_days is None
