"""What every service that makes, changes and removes queues, tables and buckets must do."""

import json
import uuid
from dataclasses import replace

import pytest

from celery_aws.aws.bucket_administration import (
    BucketAdministration,
    Lifecycle,
    S3BucketAdministration,
)
from celery_aws.aws.queue_administration import QueueAdministration, SqsQueueAdministration
from celery_aws.aws.s3 import object_access
from celery_aws.aws.table_administration import DynamoTableAdministration, TableAdministration
from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.core.attributes import text
from celery_aws.core.dead_letters import REDRIVE_POLICY
from celery_aws.errors import (
    AwsError,
    BucketNotFoundError,
    InvalidRequestError,
    QueueNotFoundError,
    TableNotFoundError,
)
from celery_aws.names import BucketName, QueueName, QueueUrl, TableName
from celery_aws.testing.memory_buckets import MemoryBuckets
from celery_aws.testing.memory_queue_administration import MemoryQueueAdministration
from celery_aws.testing.memory_table_administration import MemoryTableAdministration
from tests.contract.conftest import local_access

SPEC = TableSpec(hash_key=KeyAttribute(name="id"))
RULE = {
    "ID": "logs",
    "Status": "Enabled",
    "Filter": {"Prefix": "logs/"},
    "Expiration": {"Days": 9},
}


@pytest.fixture(params=["memory", "local AWS"])
def queues(request: pytest.FixtureRequest) -> QueueAdministration:
    if request.param == "memory":
        return MemoryQueueAdministration()
    return SqsQueueAdministration(local_access(request))


@pytest.fixture(params=["memory", "local AWS"])
def tables(request: pytest.FixtureRequest) -> TableAdministration:
    if request.param == "memory":
        return MemoryTableAdministration()
    return DynamoTableAdministration(local_access(request))


@pytest.fixture(params=["memory", "local AWS"])
def buckets(request: pytest.FixtureRequest) -> BucketAdministration:
    if request.param == "memory":
        return MemoryBuckets()
    return S3BucketAdministration(object_access(local_access(request)))


@pytest.fixture
def table() -> TableName:
    return TableName(f"contract-{uuid.uuid4().hex[:12]}")


def test_attributes_of_a_queue_are_changed(queues: QueueAdministration, name: QueueName) -> None:
    url = queues.create_queue(name, {"VisibilityTimeout": "60", "DelaySeconds": "3"}, {})
    queues.set_queue_attributes(url, {"VisibilityTimeout": "90"})
    found = queues.queue_attributes(url, ["All"])
    assert (found["VisibilityTimeout"], found["DelaySeconds"]) == ("90", "3")


def test_a_redrive_policy_is_set_and_removed(queues: QueueAdministration, name: QueueName) -> None:
    target = queues.create_queue(QueueName(f"{name}-dead-letter"), {}, {})
    arn = queues.queue_attributes(target, ["QueueArn"])["QueueArn"]
    url = queues.create_queue(name, {}, {})
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    queues.set_queue_attributes(url, {REDRIVE_POLICY: policy})
    found = queues.queue_attributes(url, [REDRIVE_POLICY])
    assert json.loads(found[REDRIVE_POLICY])["deadLetterTargetArn"] == arn
    queues.set_queue_attributes(url, {REDRIVE_POLICY: ""})
    assert queues.queue_attributes(url, [REDRIVE_POLICY]) == {}


def test_what_cannot_be_a_dead_letter_queue_is_refused(
    queues: QueueAdministration, name: QueueName
) -> None:
    url = queues.create_queue(name, {}, {})
    arn = queues.queue_attributes(url, ["QueueArn"])["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": f"{arn}-missing", "maxReceiveCount": 3})
    with pytest.raises(InvalidRequestError):
        queues.set_queue_attributes(url, {REDRIVE_POLICY: policy})


def test_tags_of_a_queue_are_added(queues: QueueAdministration, name: QueueName) -> None:
    url = queues.create_queue(name, {}, {"team": "web", "stage": "test"})
    queues.tag_queue(url, {"team": "shop", "cost": "1"})
    assert queues.queue_tags(url) == {"team": "shop", "stage": "test", "cost": "1"}


def test_queues_are_found_by_the_beginning_of_their_names(
    queues: QueueAdministration, name: QueueName
) -> None:
    urls = {queues.create_queue(QueueName(f"{name}-{each}"), {}, {}) for each in "ab"}
    queues.create_queue(QueueName(f"other-{name}"), {}, {})
    assert set(queues.queues_named(name)) == urls
    assert queues.queues_named(f"{name}-c") == []


def test_a_queue_that_is_missing_is_named(queues: QueueAdministration, name: QueueName) -> None:
    url = queues.create_queue(name, {}, {})
    queues.delete_queue(url)
    missing = QueueUrl(url)
    with pytest.raises(QueueNotFoundError):
        queues.set_queue_attributes(missing, {"VisibilityTimeout": "1"})
    with pytest.raises(QueueNotFoundError):
        queues.queue_tags(missing)
    with pytest.raises(QueueNotFoundError):
        queues.tag_queue(missing, {"a": "b"})


def test_what_a_table_is(tables: TableAdministration, table: TableName) -> None:
    spec = replace(SPEC, read_capacity=3, write_capacity=2, tags={"team": "web"})
    tables.create_table(table, spec)
    found = tables.details(table)
    assert found.arn.endswith(f":table/{table}")
    assert (found.status, found.key) == ("ACTIVE", spec.key)
    assert (found.on_demand, found.read_capacity, found.write_capacity) == (False, 3, 2)
    assert (found.kms_key, found.deletion_protection, found.items) == (None, False, 0)
    assert tables.tags(found.arn) == {"team": "web"}
    assert not tables.recovery(table)
    assert not tables.has_items(table)


def test_a_table_is_changed(tables: TableAdministration, table: TableName) -> None:
    tables.create_table(table, SPEC)
    tables.set_billing(table, replace(SPEC, read_capacity=5, write_capacity=6))
    tables.encrypt(table, "alias/aws/dynamodb")
    tables.protect(table)
    tables.enable_recovery(table)
    tables.tag(tables.details(table).arn, {"team": "web"})
    found = tables.details(table)
    assert (found.read_capacity, found.write_capacity) == (5, 6)
    assert found.kms_key is not None
    assert found.kms_key.endswith(":alias/aws/dynamodb")
    assert found.deletion_protection
    assert tables.recovery(table)
    assert tables.tags(found.arn) == {"team": "web"}
    tables.set_billing(table, SPEC)
    assert tables.details(table).on_demand


def test_a_table_is_encrypted_by_the_key_that_it_was_given(
    tables: TableAdministration, table: TableName
) -> None:
    key = "arn:aws:kms:us-east-1:000000000000:key/1234"
    tables.create_table(table, replace(SPEC, kms_key=key, deletion_protection=True))
    assert tables.details(table).kms_key == key
    assert tables.details(table).deletion_protection


def test_a_table_with_an_item_has_items(tables: TableAdministration, table: TableName) -> None:
    tables.create_table(table, SPEC)
    tables.put_item(table, {"id": text("a")})
    assert tables.has_items(table)


def test_a_table_is_deleted(tables: TableAdministration, table: TableName) -> None:
    tables.create_table(table, SPEC)
    tables.delete_table(table)
    for ask in (tables.details, tables.recovery, tables.has_items, tables.delete_table):
        with pytest.raises(TableNotFoundError):
            ask(table)


def test_a_protected_table_is_not_deleted(tables: TableAdministration, table: TableName) -> None:
    tables.create_table(table, replace(SPEC, deletion_protection=True))
    with pytest.raises(InvalidRequestError, match="protect"):
        tables.delete_table(table)


def test_a_bucket_is_made_once(buckets: BucketAdministration, bucket: BucketName) -> None:
    assert buckets.region(bucket) is None
    buckets.create(bucket)
    buckets.create(bucket)
    assert buckets.region(bucket) == "us-east-1"
    assert not buckets.has_objects(bucket)


def test_a_bucket_is_made_private(buckets: BucketAdministration, bucket: BucketName) -> None:
    buckets.create(bucket)
    buckets.block_public_access(bucket)
    buckets.encrypt(bucket)
    assert buckets.is_public_access_blocked(bucket)
    assert buckets.is_encrypted(bucket)


def test_lifecycle_rules_come_back_as_they_were(
    buckets: BucketAdministration, bucket: BucketName
) -> None:
    buckets.create(bucket)
    assert buckets.lifecycle(bucket).rules == ()
    both = (RULE, {**RULE, "ID": "all", "Filter": {"Prefix": ""}})
    buckets.set_lifecycle(bucket, replace(buckets.lifecycle(bucket), rules=both))
    assert [_plain(rule) for rule in buckets.lifecycle(bucket).rules] == list(both)
    buckets.set_lifecycle(bucket, Lifecycle())
    assert buckets.lifecycle(bucket).rules == ()


def _plain(rule: object) -> object:
    return json.loads(json.dumps(rule))


def test_a_bucket_is_deleted(buckets: BucketAdministration, bucket: BucketName) -> None:
    buckets.create(bucket)
    buckets.delete(bucket)
    assert buckets.region(bucket) is None


def test_a_missing_bucket_is_named(buckets: BucketAdministration, bucket: BucketName) -> None:
    asked: list[AwsError] = []
    for ask in (
        buckets.is_public_access_blocked,
        buckets.block_public_access,
        buckets.is_encrypted,
        buckets.encrypt,
        buckets.lifecycle,
        buckets.has_objects,
        buckets.delete,
    ):
        with pytest.raises(BucketNotFoundError) as caught:
            ask(bucket)
        asked.append(caught.value)
    assert {error.resource for error in asked} == {bucket}
