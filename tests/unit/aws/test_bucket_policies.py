import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.bucket_policies import bucket_policy
from celery_aws.aws.s3 import object_access
from celery_aws.errors import AccessDeniedError
from celery_aws.names import BucketName
from tests.unit.aws.canned import Answer, CannedAws

BUCKET = BucketName("hoge-payloads")


def refused(code: str, status: int) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
    return Answer(body=body, status=status, content_type="application/xml")


def test_a_policy(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("GetBucketPolicy", Answer(body='{"Statement": []}'))
    assert bucket_policy(BUCKET, object_access(access)) == '{"Statement": []}'


def test_none(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("GetBucketPolicy", refused("NoSuchBucketPolicy", 404))
    assert bucket_policy(BUCKET, object_access(access)) == ""


def test_one_that_may_not_be_seen(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("GetBucketPolicy", refused("AccessDenied", 403))
    with pytest.raises(AccessDeniedError):
        bucket_policy(BUCKET, object_access(access))
