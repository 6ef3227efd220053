import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.meter import request_counts
from celery_aws.aws.s3 import S3ObjectService, object_access
from celery_aws.errors import (
    AccessDeniedError,
    AwsError,
    BucketNotFoundError,
    ObjectNotFoundError,
    ServiceFaultError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.names import BucketName, ObjectKey
from tests.unit.aws.canned import Answer, CannedAws

BUCKET = BucketName("hoge-payloads")
KEY = ObjectKey("tasks/1")


def page(body: str, status: int = 200, *, cut: bool = False) -> Answer:
    return Answer(body=body, status=status, content_type="application/xml", cut=cut)


def refused(code: str, status: int) -> Answer:
    return page(f"<Error><Code>{code}</Code><Message>no</Message></Error>", status)


@pytest.fixture
def service(access: Access) -> S3ObjectService:
    return S3ObjectService(object_access(access))


def test_an_object_is_put_by_bucket_and_key(
    canned_aws: CannedAws, service: S3ObjectService
) -> None:
    canned_aws.answer("PutObject", page(""))
    service.put(BUCKET, KEY, b"content")
    (parameters,) = canned_aws.parameters("PutObject")
    assert parameters["path"] == f"/{BUCKET}/{KEY}"
    assert "content" in parameters["text"]
    assert request_counts() == {"s3.PutObject": 1}


def test_a_put_is_tried_again(canned_aws: CannedAws, service: S3ObjectService) -> None:
    canned_aws.answer("PutObject", refused("SlowDown", 503), page(""))
    service.put(BUCKET, KEY, b"content")
    assert request_counts() == {"s3.PutObject": 2}


def test_a_get_is_one_attempt(canned_aws: CannedAws, service: S3ObjectService) -> None:
    canned_aws.answer("GetObject", refused("InternalError", 500), page("content"))
    with pytest.raises(ServiceFaultError):
        service.get(BUCKET, KEY)
    assert service.get(BUCKET, KEY) == b"content"
    assert request_counts() == {"s3.GetObject": 2}


def test_a_get_of_more_attempts_is_tried_again(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("GetObject", refused("InternalError", 500), page("content"))
    service = S3ObjectService(object_access(access), read_attempts=2)
    assert service.get(BUCKET, KEY) == b"content"
    assert request_counts() == {"s3.GetObject": 2}


def test_a_body_that_ends_too_soon_is_no_answer(
    canned_aws: CannedAws, service: S3ObjectService
) -> None:
    canned_aws.answer("GetObject", page("content" * 1000, cut=True))
    with pytest.raises(UnreachableError):
        service.get(BUCKET, KEY)


def test_a_damaged_body_is_no_answer(canned_aws: CannedAws, service: S3ObjectService) -> None:
    damaged = Answer(body="content", headers={"x-amz-checksum-crc32": "AAAAAA=="})
    canned_aws.answer("GetObject", damaged)
    with pytest.raises(ServiceFaultError):
        service.get(BUCKET, KEY)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("NoSuchKey", 404, ObjectNotFoundError),
        ("NoSuchBucket", 404, BucketNotFoundError),
        ("AccessDenied", 403, AccessDeniedError),
        ("SlowDown", 503, ThrottledError),
    ],
)
def test_refusals_by_what_can_be_done(
    canned_aws: CannedAws,
    service: S3ObjectService,
    code: str,
    status: int,
    expected: type[AwsError],
) -> None:
    canned_aws.answer("GetObject", refused(code, status))
    with pytest.raises(AwsError) as caught:
        service.get(BUCKET, KEY)
    assert type(caught.value) is expected
    assert f"s3 GetObject for {BUCKET}/{KEY}: no ({code})" in str(caught.value)


def test_objects_that_stay_are_named(canned_aws: CannedAws, service: S3ObjectService) -> None:
    error = f"<Error><Key>{KEY}</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
    canned_aws.answer("DeleteObjects", page(f"<DeleteResult>{error}</DeleteResult>"))
    (failure,) = service.delete_batch(BUCKET, [ObjectKey("other"), KEY])
    assert failure.key == KEY
    assert isinstance(failure.error, AccessDeniedError)
    (parameters,) = canned_aws.parameters("DeleteObjects")
    assert parameters["path"] == f"/{BUCKET}?delete"
    assert "<Key>other</Key>" in parameters["text"]
    assert "<Quiet>true</Quiet>" in parameters["text"]


@pytest.mark.parametrize(
    ("of_broker", "given", "expected"),
    [
        (None, None, None),
        ("https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com", None, None),
        ("https://sqs.cn-north-1.amazonaws.com.cn", None, None),
        ("http://127.0.0.1:4566", None, "http://127.0.0.1:4566"),
        ("http://ministack:4566", None, "http://ministack:4566"),
        ("http://elasticmq:9324", "http://minio:9000", "http://minio:9000"),
        (None, "http://minio:9000", "http://minio:9000"),
    ],
)
def test_where_s3_is(of_broker: str | None, given: str | None, expected: str | None) -> None:
    access = object_access(Access(region="eu-west-1", endpoint_url=of_broker), given)
    assert access.endpoint_url == expected
    style = None if expected is None else {"addressing_style": "path"}
    assert access.client_config.get("s3") == style


def test_what_the_user_says_of_s3_is_kept() -> None:
    config = {"s3": {"addressing_style": "virtual"}, "connect_timeout": 2}
    broker = Access(region="eu-west-1", endpoint_url="http://localhost:1", client_config=config)
    assert object_access(broker).client_config == config
