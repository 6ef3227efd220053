"""Large results as Celery asks for them, on the doubles."""

from typing import Any

import pytest
from celery import Celery
from celery.exceptions import BackendStoreError
from celery.result import AsyncResult, GroupResult

from celery_aws.errors import AccessDeniedError, ResultUnreadableError
from celery_aws.results import DynamoDBBackend
from celery_aws.results.items import PIECE
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_s3 import MemoryS3
from tests.unit.results.conftest import TABLE, MakeBackend
from tests.unit.results.large_scene import noise
from tests.unit.results.test_backend import HAS_5_7_SETTINGS

TEXT = noise(1_000_000).hex()


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3("my-bucket")


@pytest.fixture(params=["", "large_result_bucket=my-bucket"], ids=["table", "S3"])
def backend(
    make_backend: MakeBackend, s3: MemoryS3, request: pytest.FixtureRequest
) -> DynamoDBBackend:
    return make_backend(request.param, objects=s3)


def left(service: MemoryTableService, s3: MemoryS3) -> tuple[int, int]:
    return len(service.items(TABLE)), len(s3.objects("my-bucket"))


def test_a_result_and_a_failure_come_back(backend: DynamoDBBackend, app: Celery) -> None:
    backend.mark_as_done("1", TEXT)
    assert AsyncResult("1", app=app).get() == TEXT
    backend.mark_as_failure("2", KeyError(TEXT), traceback="Traceback: ...")
    failed = AsyncResult("2", app=app)
    assert (failed.state, failed.traceback) == ("FAILURE", "Traceback: ...")
    with pytest.raises(KeyError) as caught:
        failed.get()
    assert caught.value.args == (TEXT,)


def test_large_and_small_results_of_a_group(backend: DynamoDBBackend, app: Celery) -> None:
    texts = {str(number): TEXT[: 700_000 * number] for number in range(4)}
    for task_id, text in texts.items():
        backend.mark_as_done(task_id, text)
    group = GroupResult("g", [AsyncResult(task_id, app=app) for task_id in texts], app=app)
    assert group.get() == list(texts.values())


def test_a_group_of_very_many_is_saved_and_restored(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService, s3: MemoryS3
) -> None:
    members = [AsyncResult(noise(16, number).hex(), app=app) for number in range(30_000)]
    group = GroupResult("g", members, app=app).save(backend=backend)
    assert left(service, s3) != (1, 0), "it is too large even for a compressed item"
    restored = GroupResult.restore("g", backend=backend, app=app)
    assert restored.results == group.results
    restored.delete(backend=backend)
    assert left(service, s3) == (0, 0)


def test_forgetting_leaves_nothing(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService, s3: MemoryS3
) -> None:
    backend.mark_as_done("1", TEXT)
    assert left(service, s3) != (1, 0)
    AsyncResult("1", app=app).forget()
    assert left(service, s3) == (0, 0)
    assert AsyncResult("1", app=app).state == "PENDING"


@pytest.mark.skipif(not HAS_5_7_SETTINGS, reason="result_compression is new in Celery 5.7")
def test_what_celery_compressed_is_not_compressed_again(
    make_backend: MakeBackend, app: Celery, service: MemoryTableService
) -> None:
    backend = make_backend(result_compression="gzip")
    backend.mark_as_done("1", TEXT)
    assert AsyncResult("1", app=app).get() == TEXT
    (head,) = (item for item in service.items(TABLE) if PIECE not in item)
    assert "pieces" in head
    assert "compression" not in head


def test_pieces_that_may_not_be_written_are_a_store_error(
    make_backend: MakeBackend, service: MemoryTableService
) -> None:
    service.fail_next("BatchWriteItem", AccessDeniedError("no", operation="BatchWriteItem"))
    with pytest.raises(BackendStoreError, match=r"BatchWriteItem.*Grant the action"):
        make_backend().mark_as_done("1", TEXT)


def test_an_unreadable_result_is_an_error_and_not_pending(
    make_backend: MakeBackend, app: Celery, service: MemoryTableService
) -> None:
    backend = make_backend()
    backend.mark_as_done("1", TEXT)
    piece: Any = next(item for item in service.items(TABLE) if PIECE in item)
    service.delete_item(TABLE, {"id": piece["id"]})
    with pytest.raises(ResultUnreadableError, match="pieces are missing"):
        AsyncResult("1", app=app).get(timeout=1)
