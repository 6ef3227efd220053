"""How a table is made, and what is said of one that is not what its user takes it for."""

from collections.abc import Callable
from typing import Any

import pytest

from celery_aws.aws.clients import client_for
from celery_aws.aws.dynamodb import DynamoTableService, TableService
from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.core.attributes import text
from celery_aws.errors import TableKeyError
from celery_aws.names import TableName
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.contract.aws.conftest import new_name

SPEC = TableSpec(hash_key=KeyAttribute(name="id"))
KEY = {"id": text("one")}
MANAGED = "alias/aws/dynamodb"


def description(service: TableService, table: TableName) -> dict[str, Any]:
    assert isinstance(service, DynamoTableService)
    found: dict[str, Any] = client_for("dynamodb", service.access).describe_table(TableName=table)
    return dict(found["Table"])


def has_kms_key(service: TableService, table: TableName) -> bool:
    if isinstance(service, MemoryTableService):
        return service.spec(table).kms_key is not None
    return bool(description(service, table).get("SSEDescription", {}).get("SSEType") == "KMS")


def is_protected(service: TableService, table: TableName) -> bool:
    if isinstance(service, MemoryTableService):
        return service.spec(table).deletion_protection
    return bool(description(service, table).get("DeletionProtectionEnabled", False))


def tags_of(service: TableService, table: TableName) -> dict[str, str]:
    if isinstance(service, MemoryTableService):
        return dict(service.spec(table).tags)
    assert isinstance(service, DynamoTableService)
    arn = description(service, table)["TableArn"]
    answer = client_for("dynamodb", service.access).list_tags_of_resource(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}


def test_a_table_is_not_protected_unless_asked_for(service: TableService) -> None:
    table = new_name()
    service.create_table(table, SPEC)
    assert not has_kms_key(service, table)
    assert not is_protected(service, table)


def test_deletion_protection(service: TableService) -> None:
    table = new_name()
    service.create_table(table, TableSpec(hash_key=SPEC.hash_key, deletion_protection=True))
    assert is_protected(service, table)


@pytest.mark.not_in_dynamodb_local("tags are not supported")
def test_tags(service: TableService) -> None:
    table = new_name()
    tags = {"team": "web", "cost centre": "12"}
    service.create_table(table, TableSpec(hash_key=SPEC.hash_key, tags=tags))
    assert tags_of(service, table) == tags


@pytest.mark.not_in_dynamodb_local("the key is accepted and forgotten")
@pytest.mark.parametrize("key", [MANAGED, "alias/celery"])
def test_a_table_with_a_key_of_kms(service: TableService, key: str) -> None:
    table = new_name()
    service.create_table(table, TableSpec(hash_key=SPEC.hash_key, kms_key=key))
    assert has_kms_key(service, table)


@pytest.mark.not_in_dynamodb_local("there is no UpdateContinuousBackups")
def test_point_in_time_recovery(service: TableService) -> None:
    table = new_name()
    service.create_table(table, SPEC)
    assert not recovery_is_on(service, table)
    service.enable_recovery(table)
    service.enable_recovery(table)
    assert recovery_is_on(service, table)


def recovery_is_on(service: TableService, table: TableName) -> bool:
    if isinstance(service, MemoryTableService):
        return service.spec(table).point_in_time_recovery
    assert isinstance(service, DynamoTableService)
    answer = client_for("dynamodb", service.access).describe_continuous_backups(TableName=table)
    recovery = answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    return bool(recovery["PointInTimeRecoveryStatus"] == "ENABLED")


OTHER_KEYS = [
    TableSpec(hash_key=KeyAttribute(name="pk")),
    TableSpec(hash_key=KeyAttribute(name="id", kind="N")),
    TableSpec(hash_key=KeyAttribute(name="id"), range_key=KeyAttribute(name="sk")),
    TableSpec(hash_key=KeyAttribute(name="pk"), range_key=KeyAttribute(name="id")),
]

#: What is asked of a table whose primary key is taken for ``id``.
Ask = Callable[[TableService, TableName], object]

ASKED: dict[str, Ask] = {
    "PutItem": lambda service, table: service.put_item(table, KEY),
    "GetItem": lambda service, table: service.get_item(table, KEY, consistent=True),
    "DeleteItem": lambda service, table: service.delete_item(table, KEY),
    "UpdateItem": lambda service, table: service.update_item(table, KEY, add={"n": 1}, put={}),
    "BatchGetItem": lambda service, table: service.batch_get(table, [KEY], consistent=True),
    "BatchWriteItem": lambda service, table: service.write_batch(table, puts=[KEY]),
    "a delete of BatchWriteItem": lambda service, table: service.write_batch(table, deletes=[KEY]),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED.keys())
@pytest.mark.parametrize("spec", OTHER_KEYS, ids=["pk", "number", "id and sk", "pk and id"])
def test_another_primary_key_is_one_clear_error(
    service: TableService, spec: TableSpec, ask: Ask
) -> None:
    table = new_name()
    service.create_table(table, spec)
    with pytest.raises(TableKeyError, match=rf"{table}.*primary key id \(S\)"):
        ask(service, table)


def test_a_query_by_another_partition_key(service: TableService) -> None:
    table = new_name()
    service.create_table(table, SPEC)
    with pytest.raises(TableKeyError):
        service.query(table, partition=("pk", text("one")), consistent=True)


def test_a_table_is_named_by_its_arn_too(service: TableService) -> None:
    if isinstance(service, MemoryTableService):
        pytest.skip("the double knows names only")
    table = new_name()
    service.create_table(table, SPEC)
    arn = TableName(description(service, table)["TableArn"])
    service.put_item(arn, KEY)
    assert service.get_item(arn, KEY, consistent=True) == KEY
    assert service.batch_get(arn, [KEY], consistent=True).items == [KEY]
    assert service.write_batch(arn, deletes=[KEY]).unprocessed_deletes == []
    assert service.get_item(table, KEY, consistent=True) is None
    assert service.describe_table(arn).key == SPEC.key
    service.enable_ttl(arn, "ttl")
    assert service.describe_ttl(arn).attribute == "ttl"
