"""What a worker leaves of a migrated message, in a file: others of another version read it."""

import json
from pathlib import Path

import pytest

from celery_aws.core.migration_marks import migration_mark
from celery_aws.names import TableName
from celery_aws.table.coordination import SPEC, CoordinationTable
from celery_aws.table.migrated import MigrationClaims
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

FOLDER = Path(__file__).parents[2] / "golden" / "migrate"
TABLE = TableName("celery-coordination")


@pytest.fixture
def service(clock: FakeClock) -> MemoryTableService:
    return MemoryTableService(clock=clock)


@pytest.fixture
def table(service: MemoryTableService, clock: FakeClock) -> CoordinationTable:
    service.create_table(TABLE, SPEC)
    return CoordinationTable(service=service, name=TABLE, creates=False, clock=clock)


def test_a_claim_is_written_as_the_file_says(
    table: CoordinationTable, service: MemoryTableService
) -> None:
    mark = migration_mark(json.loads((FOLDER / "mark.json").read_text())["message_attributes"])
    assert mark is not None

    MigrationClaims(table=table).claim(mark, "5fea7756-0ea4-451a-a703-a558b933e274")

    assert service.items(TABLE) == json.loads((FOLDER / "claim.json").read_text())


def test_the_claim_of_the_file_is_read(
    table: CoordinationTable, service: MemoryTableService
) -> None:
    (item,) = json.loads((FOLDER / "claim.json").read_text())
    service.put_item(TABLE, item)
    key = item["pk"]["S"].removeprefix("migrated#")

    assert MigrationClaims(table=table).started([key]) == {key: "copy-1"}
