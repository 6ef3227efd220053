import pytest

from celery_aws.core.attributes import AttributeValue, Item, binary, text
from celery_aws.errors import AccessDeniedError, ThrottledError
from celery_aws.limits import DYNAMODB_ITEM_BYTES
from celery_aws.table.batches import DEADLINE_SECONDS, read_batches, write_batches
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.table.conftest import TABLE


def stored(service: MemoryTableService, count: int) -> list[Item]:
    keys: list[Item] = [{"id": text(f"k{n}")} for n in range(count)]
    for key in keys:
        service.put_item(TABLE, key)
    return keys


def read(service: MemoryTableService, keys: list[Item], clock: FakeClock) -> list[Item]:
    items = read_batches(service, TABLE, keys, clock=clock, random=lambda: 1.0)
    return sorted(items, key=lambda item: int(item["id"]["S"][1:]))


@pytest.mark.parametrize(("count", "requests"), [(0, 0), (1, 1), (100, 1), (101, 2), (250, 3)])
def test_a_request_for_each_hundred_keys(
    service: MemoryTableService, clock: FakeClock, count: int, requests: int
) -> None:
    keys = stored(service, count)
    assert read(service, keys, clock) == keys
    assert service.requests["BatchGetItem"] == requests
    assert clock.sleeps == []


def test_what_was_left_out_is_asked_for_with_what_comes_next(
    service: MemoryTableService, clock: FakeClock
) -> None:
    keys = stored(service, 150)
    service.batch_answers.extend([60, 50])
    assert read(service, keys, clock) == keys
    assert service.requests["BatchGetItem"] == 3
    assert clock.sleeps == []


def test_it_waits_longer_while_nothing_comes(service: MemoryTableService, clock: FakeClock) -> None:
    keys = stored(service, 3)
    service.batch_answers.extend([0, 0, 0, 1, 0])
    assert read(service, keys, clock) == keys
    assert clock.sleeps == [0.05, 0.1, 0.2, 0.05]


def test_it_gives_up_at_the_deadline(service: MemoryTableService, clock: FakeClock) -> None:
    keys = stored(service, 3)
    service.batch_answers.extend([0] * 100)
    with pytest.raises(ThrottledError, match=r"results: 3 keys were left unprocessed for 30 s"):
        read(service, keys, clock)
    assert DEADLINE_SECONDS <= sum(clock.sleeps) < DEADLINE_SECONDS + 3


def put(service: MemoryTableService, items: list[Item], clock: FakeClock) -> None:
    write_batches(service, TABLE, items, clock=clock, random=lambda: 1.0)


def a_few(count: int, **attributes: AttributeValue) -> list[Item]:
    return [{"id": text(f"k{n}"), **attributes} for n in range(count)]


def everything(service: MemoryTableService) -> list[Item]:
    return sorted(service.items(TABLE), key=lambda item: int(item["id"]["S"][1:]))


@pytest.mark.parametrize(("count", "requests"), [(0, 0), (1, 1), (25, 1), (26, 2), (100, 4)])
def test_a_request_for_each_25_items(
    service: MemoryTableService, clock: FakeClock, count: int, requests: int
) -> None:
    put(service, a_few(count), clock)
    assert everything(service) == a_few(count)
    assert service.requests["BatchWriteItem"] == requests


@pytest.mark.parametrize(
    ("character", "requests"),
    [("x", 1), ("\x00", 5)],
    ids=["as it is", "six characters of JSON"],
)
def test_a_request_for_each_16_mb_of_json(
    service: MemoryTableService, clock: FakeClock, character: str, requests: int
) -> None:
    items = a_few(25, s=text(character * (DYNAMODB_ITEM_BYTES - 100)))
    put(service, items, clock)
    assert everything(service) == items
    assert service.requests["BatchWriteItem"] == requests


def test_25_items_of_the_largest_size_are_one_request(
    service: MemoryTableService, clock: FakeClock
) -> None:
    put(service, a_few(25, b=binary(b"x" * (DYNAMODB_ITEM_BYTES - 100))), clock)
    assert service.requests["BatchWriteItem"] == 1


def test_what_was_not_written_is_written_again(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.batch_writes.extend([10, 0, 0])
    service.fail_next("BatchWriteItem", ThrottledError("all of them"))
    put(service, a_few(30), clock)
    assert everything(service) == a_few(30)
    assert clock.sleeps == [0.05, 0.05, 0.1]


def test_writing_gives_up_at_the_deadline(service: MemoryTableService, clock: FakeClock) -> None:
    service.batch_writes.extend([0] * 100)
    with pytest.raises(ThrottledError, match=r"BatchWriteItem for results: 3 keys were left"):
        put(service, a_few(3), clock)
    assert DEADLINE_SECONDS <= sum(clock.sleeps) < DEADLINE_SECONDS + 3


def test_what_cannot_succeed_is_not_tried_again(
    service: MemoryTableService, clock: FakeClock
) -> None:
    service.fail_next("BatchWriteItem", AccessDeniedError("no"))
    with pytest.raises(AccessDeniedError):
        put(service, a_few(3), clock)
    assert service.requests["BatchWriteItem"] == 1
