"""What tests can provoke on the double; that it behaves as AWS is for tests/contract."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from celery_aws.aws.dynamodb import BatchWritten
from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.core.attributes import Item, number, text
from celery_aws.errors import TableNotFoundError, ThrottledError
from celery_aws.names import TableName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

TABLE = TableName("results")
SPEC = TableSpec(hash_key=KeyAttribute(name="id"))
KEY = {"id": text("one")}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def service(clock: FakeClock) -> MemoryTableService:
    return MemoryTableService(clock=clock)


def test_a_table_that_is_being_created_cannot_be_used(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.creation_seconds = 10
    service.create_table(TABLE, SPEC)
    assert service.describe_table(TABLE).status == "CREATING"
    with pytest.raises(TableNotFoundError):
        service.put_item(TABLE, KEY)
    clock.advance(10)
    assert service.describe_table(TABLE).status == "ACTIVE"
    service.put_item(TABLE, KEY)


def test_a_batch_can_be_answered_in_part(service: MemoryTableService) -> None:
    service.create_table(TABLE, SPEC)
    keys: list[Item] = [{"id": text(str(n))} for n in range(3)]
    for key in keys:
        service.put_item(TABLE, key)
    service.batch_answers.append(2)
    got = service.batch_get(TABLE, keys, consistent=True)
    assert (got.items, got.unprocessed_keys) == (keys[:2], keys[2:])
    assert service.batch_get(TABLE, keys, consistent=True).unprocessed_keys == []


def test_a_batch_can_be_written_in_part(service: MemoryTableService) -> None:
    service.create_table(TABLE, SPEC)
    keys: list[Item] = [{"id": text(str(n))} for n in range(4)]
    service.write_batch(TABLE, puts=keys[2:])
    service.batch_writes.extend([1, 3])
    written = service.write_batch(TABLE, puts=keys[:2], deletes=keys[2:])
    assert written == BatchWritten(unprocessed_puts=keys[1:2], unprocessed_deletes=keys[2:])
    assert service.items(TABLE) == [keys[2], keys[3], keys[0]]
    written = service.write_batch(TABLE, puts=keys[:2], deletes=keys[2:])
    assert written == BatchWritten(unprocessed_deletes=keys[3:])
    assert service.write_batch(TABLE, deletes=keys[3:]) == BatchWritten()
    assert service.items(TABLE) == keys[:2]


def test_a_request_can_fail(service: MemoryTableService) -> None:
    service.create_table(TABLE, SPEC)
    service.fail_next("PutItem", ThrottledError("slow down"))
    with pytest.raises(ThrottledError):
        service.put_item(TABLE, KEY)
    service.put_item(TABLE, KEY)
    assert service.requests["PutItem"] == 2


def test_what_is_returned_is_a_copy(service: MemoryTableService) -> None:
    service.create_table(TABLE, SPEC)
    service.put_item(TABLE, KEY)
    service.items(TABLE).clear()
    assert service.items(TABLE) == [KEY]


def test_threads_do_not_lose_a_count(service: MemoryTableService) -> None:
    service.create_table(TABLE, SPEC)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(200):
            pool.submit(service.update_item, TABLE, KEY, add={"n": 1}, put={})
    assert service.get_item(TABLE, KEY, consistent=True) == {**KEY, "n": number(200)}
