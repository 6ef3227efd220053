import pytest

from celery_aws.core.attributes import Item, text
from celery_aws.errors import ThrottledError
from celery_aws.table.batches import DEADLINE_SECONDS, read_batches
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
