import pytest

from celery_aws.broker.object_removal import REST_SECONDS, ObjectRemoval
from celery_aws.errors import AccessDeniedError, UnreachableError
from celery_aws.limits import S3_DELETE_KEYS
from celery_aws.names import ObjectKey
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_s3 import MemoryS3
from tests.unit.broker.conftest import BUCKET

DELETE = "DeleteObjects"


@pytest.fixture
def removal(s3: MemoryS3, clock: FakeClock) -> ObjectRemoval:
    return ObjectRemoval(s3, BUCKET, clock)


def put(s3: MemoryS3, *names: str) -> list[ObjectKey]:
    keys = [ObjectKey(name) for name in names]
    for key in keys:
        s3.put(BUCKET, key, b"x")
    return keys


def kept(s3: MemoryS3) -> list[str]:
    return sorted(s3.objects(BUCKET))


def test_several_go_in_one_request(removal: ObjectRemoval, s3: MemoryS3) -> None:
    removal.remove(put(s3, "1", "2"))

    assert (kept(s3), s3.requests[DELETE]) == ([], 1)


def test_nothing_asks_for_nothing(removal: ObjectRemoval, s3: MemoryS3) -> None:
    removal.remove([])

    assert s3.requests[DELETE] == 0


def test_while_s3_does_not_answer_nobody_waits_for_it(
    removal: ObjectRemoval, s3: MemoryS3, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    s3.faults.fail(DELETE, UnreachableError("no route"))
    for name in ("1", "2", "3"):
        removal.remove(put(s3, name))
    assert (kept(s3), s3.requests[DELETE]) == (["1", "2", "3"], 1)
    assert "1 S3 object(s) are deleted later: no route" in caplog.text

    clock.advance(REST_SECONDS)
    removal.remove(put(s3, "4"))

    assert (kept(s3), s3.requests[DELETE]) == ([], 2)


def test_what_may_not_be_deleted_is_left_and_logged(
    removal: ObjectRemoval, s3: MemoryS3, caplog: pytest.LogCaptureFixture
) -> None:
    s3.faults.fail(DELETE, AccessDeniedError("no"))
    removal.remove(put(s3, "1", "2"))
    assert "2 S3 object(s) are left to the bucket's lifecycle rule: no. Grant" in caplog.text

    s3.faults.refuse_entries(DELETE, code="AccessDenied")
    removal.remove(put(s3, "3", "4"))

    assert "1 S3 object(s) are left to the bucket's lifecycle rule" in caplog.text
    assert kept(s3) == ["1", "2", "3"]


def test_no_more_are_kept_than_one_request_takes(
    removal: ObjectRemoval, s3: MemoryS3, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    s3.faults.fail(DELETE, UnreachableError("no route"))
    for number in range(S3_DELETE_KEYS + 2):
        removal.remove(put(s3, f"{number:04}"))
    clock.advance(REST_SECONDS)

    removal.remove(put(s3, "last"))

    assert kept(s3) == [f"{S3_DELETE_KEYS:04}", f"{S3_DELETE_KEYS + 1:04}", "last"]
    assert caplog.text.count("1 S3 object(s) are left to the bucket's lifecycle rule") == 3
