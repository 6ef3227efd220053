import logging
from types import SimpleNamespace

import pytest
from celery import states
from celery.exceptions import BackendStoreError

from celery_aws.errors import AccessDeniedError, AwsError, ServiceFaultError, ThrottledError
from celery_aws.results import DynamoDBBackend
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import MakeBackend

TEMPORARY = ThrottledError("slow down", service="dynamodb", operation="PutItem")
PERMANENT = AccessDeniedError("no", service="dynamodb", operation="PutItem")


@pytest.fixture
def backend(make_backend: MakeBackend) -> DynamoDBBackend:
    return make_backend(result_backend_transport_options={"retry_policy": {"max_retries": 0}})


@pytest.mark.parametrize("error", [TEMPORARY, PERMANENT])
def test_a_failure_to_store_that_cannot_be_stored_ends_its_task(
    backend: DynamoDBBackend,
    service: MemoryTableService,
    caplog: pytest.LogCaptureFixture,
    error: AwsError,
) -> None:
    service.fail_next("PutItem", error)
    with pytest.raises((ThrottledError, BackendStoreError)) as first:
        backend.mark_as_done("1", 42)
    service.fail_next("PutItem", error)
    backend.mark_as_failure("1", first.value)
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert "task 1: its result is lost" in record.getMessage()
    assert error.reason in record.getMessage()
    assert backend.get_state("1") == "PENDING"


def test_a_failure_to_store_is_stored_if_it_can_be(backend: DynamoDBBackend) -> None:
    backend.mark_as_failure("1", TEMPORARY)
    assert backend.get_state("1") == "FAILURE"
    assert isinstance(backend.get_result("1"), ThrottledError)


@pytest.mark.parametrize(
    "of_task", [LookupError("no such thing"), ServiceFaultError("oh", service="sqs"), 42]
)
def test_every_other_result_raises(
    backend: DynamoDBBackend, service: MemoryTableService, of_task: object
) -> None:
    service.fail_next("PutItem", TEMPORARY)
    state = states.FAILURE if isinstance(of_task, Exception) else states.SUCCESS
    with pytest.raises(ThrottledError):
        backend.store_result("1", of_task, state, request=SimpleNamespace(chord=None))
