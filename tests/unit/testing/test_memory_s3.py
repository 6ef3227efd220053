"""What the contract suite cannot show: faults, and what a test may ask the double."""

import pytest

from celery_aws.errors import AccessDeniedError, ThrottledError, UnreachableError
from celery_aws.names import BucketName, ObjectKey
from celery_aws.testing.memory_s3 import MemoryS3

BUCKET = BucketName("bucket")
KEY = ObjectKey("key")


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3(BUCKET)


def test_a_failure_happens_once_and_does_nothing(s3: MemoryS3) -> None:
    s3.faults.fail("PutObject", ThrottledError("slow down"))
    with pytest.raises(ThrottledError):
        s3.put(BUCKET, KEY, b"1")
    assert s3.objects(BUCKET) == {}
    s3.put(BUCKET, KEY, b"1")
    assert s3.requests == {"PutObject": 2}


def test_a_lost_reply_takes_effect(s3: MemoryS3) -> None:
    s3.faults.lose_reply("PutObject")
    with pytest.raises(UnreachableError):
        s3.put(BUCKET, KEY, b"1")
    assert s3.objects(BUCKET) == {KEY: b"1"}


def test_refused_keys_stay(s3: MemoryS3) -> None:
    s3.put(BUCKET, KEY, b"1")
    s3.put(BUCKET, ObjectKey("other"), b"2")
    s3.faults.refuse_entries("DeleteObjects", code="AccessDenied")
    (failure,) = s3.delete_batch(BUCKET, [KEY, ObjectKey("other")])
    assert (failure.key, type(failure.error)) == (KEY, AccessDeniedError)
    assert s3.objects(BUCKET) == {KEY: b"1"}
