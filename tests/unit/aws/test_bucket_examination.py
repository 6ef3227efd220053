from typing import Any

import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.bucket_examination import LifecycleRule, S3BucketExamination
from celery_aws.aws.s3 import object_access
from celery_aws.errors import AccessDeniedError
from celery_aws.names import BucketName
from tests.unit.aws.canned import Answer, CannedAws

BUCKET = BucketName("hoge-payloads")


def page(body: str, status: int = 200) -> Answer:
    return Answer(body=body, status=status, content_type="application/xml")


def refused(code: str, status: int = 404) -> Answer:
    return page(f"<Error><Code>{code}</Code><Message>no</Message></Error>", status)


def rules(*rules: str) -> Answer:
    return page(f"<LifecycleConfiguration>{''.join(rules)}</LifecycleConfiguration>")


@pytest.fixture
def examination(access: Access) -> S3BucketExamination:
    return S3BucketExamination(object_access(access))


def test_what_a_bucket_does_not_have(
    canned_aws: CannedAws, examination: S3BucketExamination
) -> None:
    canned_aws.answer(
        "GetObject",
        refused("NoSuchPublicAccessBlockConfiguration"),
        refused("NoSuchBucketPolicy"),
        refused("NoSuchLifecycleConfiguration"),
        refused("AccessDenied", 403),
    )
    assert examination.public_access_blocked(BUCKET) is False
    assert examination.policy(BUCKET) == ""
    assert examination.lifecycle(BUCKET) == ()
    with pytest.raises(AccessDeniedError):
        examination.lifecycle(BUCKET)


@pytest.mark.parametrize(("last", "blocked"), [("true", True), ("false", False)])
def test_all_blocks_have_to_be_on(
    canned_aws: CannedAws, examination: S3BucketExamination, last: str, blocked: bool
) -> None:
    names = {
        "BlockPublicAcls": "true",
        "IgnorePublicAcls": "true",
        "BlockPublicPolicy": "true",
        "RestrictPublicBuckets": last,
    }
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in names.items())
    canned_aws.answer(
        "GetObject",
        page(
            f"<PublicAccessBlockConfiguration>{inner}</PublicAccessBlockConfiguration>",
        ),
    )
    assert examination.public_access_blocked(BUCKET) is blocked


EXPIRED = "<Status>Enabled</Status><Expiration><Days>30</Days></Expiration>"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("<Filter><Prefix>t/</Prefix></Filter>", {"prefix": "t/"}),
        ("<Prefix>t/</Prefix>", {"prefix": "t/"}),
        ("<Filter></Filter>", {"prefix": ""}),
        (
            "<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>",
            {"prefix": "", "whole_prefix": False},
        ),
        (
            "<Filter><And><Prefix>t/</Prefix><ObjectSizeLessThan>5</ObjectSizeLessThan></And></Filter>",
            {"prefix": "t/", "whole_prefix": False},
        ),
    ],
    ids=["filter", "old", "all", "tag", "and"],
)
def test_what_a_rule_is_for(
    canned_aws: CannedAws,
    examination: S3BucketExamination,
    written: str,
    expected: dict[str, Any],
) -> None:
    canned_aws.answer("GetObject", rules(f"<Rule><ID>r</ID>{written}{EXPIRED}</Rule>"))
    found = LifecycleRule(name="r", expires_days=30, **expected)
    assert examination.lifecycle(BUCKET) == (found,)


def test_rules_that_delete_nothing(canned_aws: CannedAws, examination: S3BucketExamination) -> None:
    off = EXPIRED.replace("Enabled", "Disabled")
    moved = (
        "<Status>Enabled</Status><Transition><Days>30</Days>"
        "<StorageClass>GLACIER</StorageClass></Transition>"
    )
    canned_aws.answer(
        "GetObject",
        rules(f"<Rule><ID>off</ID>{off}</Rule>", f"<Rule><ID>moved</ID>{moved}</Rule>"),
    )
    assert [(rule.name, rule.expires_days) for rule in examination.lifecycle(BUCKET)] == [
        ("moved", None)
    ]
