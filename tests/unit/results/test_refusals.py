"""What AWS refuses that no server of the contract suite does; the others are there."""

import pytest
from celery import Celery
from celery.exceptions import BackendStoreError

from celery_aws.errors import EncryptionKeyError, TableKeyError, TableNotFoundError
from celery_aws.names import TableName
from celery_aws.results import DynamoDBBackend
from celery_aws.results.items import table_spec
from celery_aws.table.coordination import SPEC
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

NEW = TableName("new-table")
NEW_URL = f"dynamodb://@eu-west-1/{NEW}"
RESULTS_SPEC = table_spec(read_capacity=None, write_capacity=None)


@pytest.fixture
def being_created(service: MemoryTableService) -> MemoryTableService:
    """DynamoDB, on which somebody has just asked for a table."""
    service.creation_seconds = 12
    service.create_table(NEW, RESULTS_SPEC)
    service.requests.clear()
    return service


def test_a_table_that_is_being_created_is_waited_for(
    app: Celery, being_created: MemoryTableService, clock: FakeClock
) -> None:
    backend = DynamoDBBackend(app=app, url=NEW_URL, service=being_created, clock=clock)
    assert backend.get_state("1") == "PENDING"
    backend.mark_as_done("1", 1)
    assert backend.get_result("1") == 1
    assert being_created.requests["CreateTable"] == 0


def test_who_may_not_create_is_told_to_wait(
    app: Celery, being_created: MemoryTableService, clock: FakeClock
) -> None:
    url = f"{NEW_URL}?create_table=false"
    backend = DynamoDBBackend(app=app, url=url, service=being_created, clock=clock)
    with pytest.raises(TableNotFoundError, match=rf"{NEW}.*wait if it is being created"):
        backend.get_state("1")
    with pytest.raises(BackendStoreError, match=rf"{NEW}.*wait if it is being created"):
        backend.mark_as_done("1", 1)
    assert clock.sleeps == []


def test_a_kms_key_that_cannot_be_used(
    backend: DynamoDBBackend, service: MemoryTableService
) -> None:
    error = EncryptionKeyError("the key is disabled", service="dynamodb", resource="results")
    for operation in ("GetItem", "PutItem"):
        service.fail_next(operation, error)
    with pytest.raises(EncryptionKeyError, match=r"Enable the KMS key.*kms:Decrypt"):
        backend.get_state("1")
    with pytest.raises(BackendStoreError, match=r"Enable the KMS key.*kms:Decrypt"):
        backend.mark_as_done("1", 1)


def test_the_remedy_for_a_wrong_key_names_the_right_ones() -> None:
    def shown(names: list[str]) -> str:
        return " and ".join(f"{name} (S)" for name in names)

    results = shown([key.name for key in RESULTS_SPEC.key])
    coordination = shown([key.name for key in SPEC.key])
    assert f"results table has the primary key {results} and nothing else" in TableKeyError.remedy
    assert f"a coordination table {coordination}." in TableKeyError.remedy
    assert {key.kind for key in (*RESULTS_SPEC.key, *SPEC.key)} == {"S"}
