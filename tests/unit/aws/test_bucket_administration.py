from collections.abc import Mapping
from dataclasses import replace

import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.bucket_administration import Lifecycle, S3BucketAdministration
from celery_aws.aws.s3 import object_access
from celery_aws.errors import AccessDeniedError
from celery_aws.names import BucketName
from tests.unit.aws.canned import Answer, CannedAws

BUCKET = BucketName("hoge-payloads")
RULES = """
<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Rule><ID>logs</ID><Prefix>logs/</Prefix><Status>Enabled</Status>
    <Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>
</LifecycleConfiguration>
"""


def page(body: str = "", *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(body=body, status=status, content_type="application/xml", headers=headers or {})


@pytest.fixture
def service(access: Access) -> S3BucketAdministration:
    return S3BucketAdministration(object_access(access))


def test_a_bucket_says_where_it_is(canned_aws: CannedAws, service: S3BucketAdministration) -> None:
    canned_aws.answer("HeadBucket", page(headers={"x-amz-bucket-region": "eu-west-3"}))
    assert service.region(BUCKET) == "eu-west-3"


def test_a_bucket_that_may_not_be_seen(
    canned_aws: CannedAws, service: S3BucketAdministration
) -> None:
    canned_aws.answer("HeadBucket", page(status=403))
    with pytest.raises(AccessDeniedError, match="name another bucket"):
        service.region(BUCKET)


@pytest.mark.parametrize(("region", "said"), [("eu-west-1", True), ("us-east-1", False)])
def test_a_bucket_is_made_in_the_region_of_its_app(
    canned_aws: CannedAws, access: Access, region: str, *, said: bool
) -> None:
    canned_aws.answer("CreateBucket", page())
    S3BucketAdministration(replace(object_access(access), region=region)).create(BUCKET)
    (parameters,) = canned_aws.parameters("CreateBucket")
    assert (region in parameters["text"]) is said


def test_transitions_keep_the_size_that_they_apply_to(
    canned_aws: CannedAws, service: S3BucketAdministration
) -> None:
    varies = {"x-amz-transition-default-minimum-object-size": "varies_by_storage_class"}
    canned_aws.answer("GetBucketLifecycleConfiguration", page(RULES, headers=varies))
    canned_aws.answer("PutBucketLifecycleConfiguration", page())
    found = service.lifecycle(BUCKET)
    assert found.minimum_size == "varies_by_storage_class"
    service.set_lifecycle(BUCKET, found)
    (parameters,) = canned_aws.parameters("PutBucketLifecycleConfiguration")
    assert varies.items() <= canned_aws.asked[-1].headers.items()
    for part in ("<ID>logs</ID>", "<Prefix>logs/</Prefix>", "GLACIER"):
        assert part in parameters["text"]


def test_no_rules_is_no_configuration(
    canned_aws: CannedAws, service: S3BucketAdministration
) -> None:
    refused = "<Error><Code>NoSuchLifecycleConfiguration</Code><Message>no</Message></Error>"
    canned_aws.answer("GetBucketLifecycleConfiguration", page(refused, status=404))
    assert service.lifecycle(BUCKET) == Lifecycle()
