import re
from dataclasses import replace
from typing import Any

import pytest

from celery_aws.aws.table_administration import TableDetails
from celery_aws.aws.table_schema import KeyAttribute, TtlDescription
from celery_aws.provision import Difference, Found, FoundTable, Step, Verdict, plan_of
from tests.unit.provision.account import deployment

pytestmark = pytest.mark.usefixtures("bare_environment")

KMS_ARN = "arn:aws:kms:us-east-1:000000000000:key/1234"
DETAILS = TableDetails(
    arn="arn:aws:dynamodb:us-east-1:000000000000:table/results",
    status="ACTIVE",
    key=(KeyAttribute(name="id"),),
    on_demand=True,
)
RIGHT = FoundTable(details=DETAILS, ttl=TtlDescription(status="ENABLED", attribute="ttl"))


def step(found: FoundTable | None, *, table: str = "results", **results: Any) -> Step:
    wanted = deployment(
        broker="memory://", backend=f"aws+dynamodb://@us-east-1/{table}", results=results
    )
    (made,) = plan_of(wanted, Found(tables={} if found is None else {"results": found})).steps
    return made


def with_details(**changes: Any) -> FoundTable:
    return replace(RIGHT, details=replace(DETAILS, **changes))


def test_a_missing_one_shows_what_it_will_be() -> None:
    made = step(None, point_in_time_recovery=True, table_tags={"team": "web"}, kms_key="1234")
    assert made.verdict is Verdict.CREATE
    assert [(each.name, each.found, each.wanted) for each in made.differences] == [
        ("BillingMode", None, "on demand"),
        ("TimeToLive", None, "by ttl"),
        ("PointInTimeRecovery", None, "on"),
        ("KMSMasterKeyId", None, "1234"),
        ("tag team", None, "web"),
    ]


def test_one_that_is_right_is_left() -> None:
    assert step(RIGHT).verdict is Verdict.LEAVE


def test_what_the_operator_added_is_left() -> None:
    more = replace(
        with_details(kms_key=KMS_ARN, deletion_protection=True),
        recovery=True,
        tags={"cost": "1"},
    )
    assert step(more).verdict is Verdict.LEAVE


@pytest.mark.parametrize(
    ("found", "results", "difference"),
    [
        (
            replace(RIGHT, ttl=TtlDescription(status="DISABLED")),
            {},
            Difference(name="TimeToLive", found="off", wanted="by ttl"),
        ),
        (
            RIGHT,
            {"point_in_time_recovery": True},
            Difference(name="PointInTimeRecovery", found="off", wanted="on"),
        ),
        (
            RIGHT,
            {"deletion_protection": True},
            Difference(name="DeletionProtectionEnabled", found="off", wanted="on"),
        ),
        (
            RIGHT,
            {"kms_key": "alias/celery"},
            Difference(name="KMSMasterKeyId", found="a key that AWS owns", wanted="alias/celery"),
        ),
        (
            with_details(kms_key=KMS_ARN),
            {"kms_key": "alias/celery"},
            Difference(name="KMSMasterKeyId", found=KMS_ARN, wanted="alias/celery"),
        ),
        (
            RIGHT,
            {"read": 3, "write": 2},
            Difference(name="BillingMode", found="on demand", wanted="3 read and 2 write units"),
        ),
        (
            with_details(on_demand=False, read_capacity=2, write_capacity=9),
            {"read": 3, "write": 2},
            Difference(
                name="BillingMode",
                found="2 read and 9 write units",
                wanted="3 read and 2 write units",
            ),
        ),
        (
            with_details(on_demand=False, read_capacity=5, write_capacity=5),
            {},
            Difference(name="BillingMode", found="5 read and 5 write units", wanted="on demand"),
        ),
        (
            replace(RIGHT, tags={"team": "shop"}),
            {"table_tags": {"team": "web"}},
            Difference(name="tag team", found="shop", wanted="web"),
        ),
    ],
)
def test_drift_is_shown(found: FoundTable, results: dict[str, Any], difference: Difference) -> None:
    made = step(found, **results)
    assert made.verdict is Verdict.CHANGE
    assert made.differences == (difference,)


@pytest.mark.parametrize(
    ("found", "results"),
    [
        (
            with_details(on_demand=False, read_capacity=9, write_capacity=9),
            {"read": 3, "write": 2},
        ),
        (with_details(kms_key=KMS_ARN), {"kms_key": "1234"}),
        (with_details(kms_key=KMS_ARN), {"kms_key": KMS_ARN}),
        (
            replace(with_details(kms_key=KMS_ARN), kms_names=frozenset({"alias/celery"})),
            {"kms_key": "alias/celery"},
        ),
        (replace(RIGHT, ttl=TtlDescription(status="ENABLING", attribute="ttl")), {}),
    ],
)
def test_as_good_is_left(found: FoundTable, results: dict[str, Any]) -> None:
    assert step(found, **results).verdict is Verdict.LEAVE


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (with_details(key=(KeyAttribute(name="pk"),)), r"is pk \(S\), and has to be id \(S\)"),
        (with_details(status="DELETING"), "is DELETING"),
        (with_details(status="INACCESSIBLE_ENCRYPTION_CREDENTIALS"), "KMS key"),
        (replace(RIGHT, ttl=TtlDescription(status="ENABLED", attribute="other")), "'other'"),
        (replace(RIGHT, ttl=TtlDescription(status="DISABLING", attribute="ttl")), "an hour"),
    ],
)
def test_what_dynamodb_cannot_change_is_a_conflict(found: FoundTable, words: str) -> None:
    made = step(found, point_in_time_recovery=True)
    assert made.verdict is Verdict.CONFLICT
    assert made.differences == ()
    assert re.search(words, made.conflicts[0])


OTHERS = "arn:aws:dynamodb:us-east-1:123456789012:table/results"


def test_a_table_that_is_named_by_its_arn_is_only_looked_at() -> None:
    found = replace(RIGHT, ttl=TtlDescription(status="DISABLED"))
    made = step(found, table=OTHERS, table_tags={"team": "web"})
    assert made.verdict is Verdict.LEAVE
    assert "only looked at" in made.notes[0]


def test_a_table_that_is_named_by_its_arn_is_never_made() -> None:
    made = step(None, table=OTHERS)
    assert made.verdict is Verdict.CONFLICT
    assert "in its own account" in made.conflicts[0]


def test_a_table_of_others_may_be_refused() -> None:
    made = step(FoundTable(details=None, refusal="not authorized"), table=OTHERS)
    assert made.verdict is Verdict.LEAVE
    assert "not authorized" in made.notes[0]
