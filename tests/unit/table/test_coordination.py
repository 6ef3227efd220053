from datetime import timedelta

import pytest

from celery_aws.core.attributes import Item, text
from celery_aws.core.conditions import Missing
from celery_aws.core.table_keys import key_item
from celery_aws.errors import ConditionFailedError, TableNotFoundError, UnreachableError
from celery_aws.names import TableName
from celery_aws.table.coordination import SPEC, CoordinationTable
from celery_aws.table.revocations import MEMORY_DAYS, Revocations
from celery_aws.testing.clock import START, FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

NAME = TableName("celery-coordination")


@pytest.fixture
def nothing(clock: FakeClock) -> MemoryTableService:
    """An account without tables."""
    return MemoryTableService(clock=clock)


@pytest.fixture
def table(nothing: MemoryTableService, clock: FakeClock) -> CoordinationTable:
    return CoordinationTable(
        service=nothing, name=NAME, creates=True, clock=clock, random=lambda: 1.0
    )


def item(sort: str, partition: str = "p") -> Item:
    return {**key_item(partition, sort), "v": text(sort)}


def test_the_first_write_makes_the_table(
    table: CoordinationTable, nothing: MemoryTableService
) -> None:
    table.put(item("1"))
    table.put(item("2"))

    assert nothing.requests["CreateTable"] == 1
    assert nothing.describe_ttl(NAME).attribute == "ttl"
    assert table.get(key_item("p", "1")) == item("1")


def test_the_first_write_waits_for_the_table(
    table: CoordinationTable, nothing: MemoryTableService, clock: FakeClock
) -> None:
    nothing.creation_seconds = 12
    table.put(item("1"))

    assert 12 <= clock.monotonic() < 15


def test_two_processes_make_it_together(
    table: CoordinationTable, nothing: MemoryTableService
) -> None:
    nothing.creation_seconds = 12
    nothing.create_table(NAME, SPEC)

    table.put(item("1"))

    assert table.get(key_item("p", "1")) is not None


def test_who_reads_finds_nothing_in_no_table_and_makes_none(
    table: CoordinationTable, nothing: MemoryTableService
) -> None:
    assert table.get(key_item("p", "1")) is None
    assert table.get_many([key_item("p", "1")]) == []
    assert list(table.pages("p")) == []
    assert table.count("p") == 0
    assert not table.has_items("p")
    table.delete(key_item("p", "1"))

    assert "CreateTable" not in nothing.requests


def test_a_table_that_may_not_be_made_is_an_error(
    nothing: MemoryTableService, clock: FakeClock
) -> None:
    table = CoordinationTable(service=nothing, name=NAME, creates=False, clock=clock)

    for ask in (
        lambda: table.put(item("1")),
        lambda: table.get(key_item("p", "1")),
        lambda: table.count("p"),
        lambda: table.delete(key_item("p", "1")),
    ):
        with pytest.raises(TableNotFoundError, match="create-table"):
            ask()
    assert "CreateTable" not in nothing.requests


def test_a_condition_is_kept(table: CoordinationTable) -> None:
    table.put(item("1"), condition=Missing("pk"))

    with pytest.raises(ConditionFailedError):
        table.put(item("1"), condition=Missing("pk"))


def test_pages_are_read_to_their_end_and_bound(
    table: CoordinationTable, nothing: MemoryTableService
) -> None:
    for number in range(8):
        table.put({**item(f"{number}"), "fill": text("x" * 300_000)})
    table.put(item("9", "other"))

    sorts = [[each["sk"]["S"] for each in page] for page in table.pages("p")]
    assert [sort for page in sorts for sort in page] == list("01234567")
    assert len(sorts) == 3
    bound = [each["sk"]["S"] for page in table.pages("p", until="3") for each in page]
    assert bound == list("0123")
    assert table.count("p") == 8


def test_whether_there_is_something_costs_one_item(
    table: CoordinationTable, nothing: MemoryTableService
) -> None:
    for number in range(8):
        table.put({**item(f"{number}"), "fill": text("x" * 300_000)})
    before = nothing.read_units

    assert table.has_items("p")
    assert nothing.read_units - before < 100
    assert not table.has_items("q")


def test_what_is_only_asked_for_in_part_comes_in_part(table: CoordinationTable) -> None:
    table.put({**item("1"), "fill": text("x")})

    assert list(table.pages("p", attributes=["v"])) == [[{"v": text("1")}]]


def test_batches_are_asked_for_until_they_are_done(
    table: CoordinationTable, nothing: MemoryTableService, clock: FakeClock
) -> None:
    keys = [key_item("p", f"{number:03}") for number in range(120)]
    for key in keys:
        table.put({**key, "v": text("v")})
    nothing.batch_answers.extend([0, 10, 0])
    assert len(table.get_many(keys)) == 120

    nothing.batch_writes.extend([0, 5, 0])
    table.delete_many(keys)
    assert table.count("p") == 0
    assert len(clock.sleeps) == 4


# Revocations.


@pytest.fixture
def revocations(table: CoordinationTable) -> Revocations:
    return Revocations(table=table)


def test_what_was_revoked_is_known(table: CoordinationTable, revocations: Revocations) -> None:
    table.ensure()
    assert revocations.add(["a", "b"])

    assert revocations.among(["b", "c", "a", "b"]) == {"a", "b"}
    assert revocations.among([]) == set()


def test_without_a_table_there_is_nothing_parked_that_could_be_revoked(
    revocations: Revocations, nothing: MemoryTableService
) -> None:
    assert not revocations.add(["a"])
    assert revocations.among(["a"]) == set()
    assert "CreateTable" not in nothing.requests


def test_nothing_is_asked_about_nothing(
    revocations: Revocations, nothing: MemoryTableService
) -> None:
    revocations.among([])

    assert nothing.requests == {}


def test_many_are_asked_about_by_the_hundred(
    table: CoordinationTable, revocations: Revocations, nothing: MemoryTableService
) -> None:
    table.ensure()
    ids = [f"task-{number}" for number in range(250)]
    revocations.add(ids[::2])

    assert revocations.among(ids) == set(ids[::2])
    assert nothing.requests["BatchGetItem"] == 3


@pytest.mark.parametrize("task_id", ["é" * 2_000, "x" * 5_000, "a#b", "revoked#", " "])
def test_every_id_can_be_revoked(
    table: CoordinationTable, revocations: Revocations, task_id: str
) -> None:
    table.ensure()
    revocations.add([task_id])

    assert revocations.among([task_id, "another"]) == {task_id}
    (stored,) = table.service.items(NAME)  # type: ignore[attr-defined]
    assert len(stored["pk"]["S"].encode()) <= 2_048


def test_a_revocation_is_forgotten_after_a_year(
    table: CoordinationTable, revocations: Revocations, nothing: MemoryTableService
) -> None:
    table.ensure()
    revocations.add(["a"])

    (stored,) = nothing.items(NAME)
    expires = START + timedelta(days=MEMORY_DAYS)
    assert stored["ttl"] == {"N": str(int(expires.timestamp()))}


def test_an_answer_that_is_lost_is_an_error(
    revocations: Revocations, nothing: MemoryTableService
) -> None:
    nothing.fail_next("PutItem", UnreachableError("no answer"))

    with pytest.raises(UnreachableError):
        revocations.add(["a"])
