"""Objects of S3: what every ObjectService must do with them."""

import uuid

import pytest

from celery_aws.aws.s3 import ObjectService
from celery_aws.errors import BucketNotFoundError, InvalidRequestError, ObjectNotFoundError
from celery_aws.names import BucketName, ObjectKey

KEY = ObjectKey("tasks/\u00e9 1+2.json")


@pytest.mark.parametrize("content", [b"", b"x", b"\x00\xff" * 1_000_000])
def test_what_was_put_is_got(
    object_service: ObjectService, bucket: BucketName, content: bytes
) -> None:
    object_service.put(bucket, KEY, content)

    assert object_service.get(bucket, KEY) == content


def test_the_last_put_wins(object_service: ObjectService, bucket: BucketName) -> None:
    object_service.put(bucket, KEY, b"1")
    object_service.put(bucket, KEY, b"2")

    assert object_service.get(bucket, KEY) == b"2"


def test_a_missing_object_is_named(object_service: ObjectService, bucket: BucketName) -> None:
    with pytest.raises(ObjectNotFoundError, match=f"GetObject for {bucket}/missing"):
        object_service.get(bucket, ObjectKey("missing"))


def test_only_what_is_named_is_deleted(object_service: ObjectService, bucket: BucketName) -> None:
    keys = [ObjectKey(f"k{number}") for number in range(3)]
    for key in keys:
        object_service.put(bucket, key, b"x")

    assert object_service.delete_batch(bucket, keys[:2]) == []

    assert object_service.get(bucket, keys[2]) == b"x"
    for key in keys[:2]:
        with pytest.raises(ObjectNotFoundError):
            object_service.get(bucket, key)


def test_deleting_what_is_not_there_is_no_error(
    object_service: ObjectService, bucket: BucketName
) -> None:
    assert object_service.delete_batch(bucket, [KEY]) == []


def test_a_missing_bucket_is_an_error_of_its_own(object_service: ObjectService) -> None:
    nowhere = BucketName(f"missing-{uuid.uuid4().hex[:12]}")

    with pytest.raises(BucketNotFoundError, match="large_message_bucket"):
        object_service.put(nowhere, KEY, b"x")
    with pytest.raises(BucketNotFoundError):
        object_service.get(nowhere, KEY)
    with pytest.raises(BucketNotFoundError):
        object_service.delete_batch(nowhere, [KEY])


@pytest.mark.aws_only("a key may have any length")
def test_a_key_that_is_too_long_is_refused(
    object_service: ObjectService, bucket: BucketName
) -> None:
    object_service.put(bucket, ObjectKey("k" * 1_024), b"x")
    with pytest.raises(InvalidRequestError):
        object_service.put(bucket, ObjectKey("k" * 1_025), b"x")


@pytest.mark.aws_only("DeleteObjects takes any number of keys")
def test_no_keys_or_too_many_are_refused(object_service: ObjectService, bucket: BucketName) -> None:
    for count in (0, 1_001):
        with pytest.raises(InvalidRequestError):
            object_service.delete_batch(bucket, [ObjectKey(str(number)) for number in range(count)])
