"""Claims to messages that were migrated, as AWS keeps them."""

import uuid

import pytest

from celery_aws.core.migration_marks import MigrationMark, task_key
from celery_aws.table.coordination import CoordinationTable
from celery_aws.table.migrated import Claim, MigrationClaims


@pytest.fixture
def claims(made_table: CoordinationTable) -> MigrationClaims:
    return MigrationClaims(table=made_table)


def mark(copy_id: str, name: str = "task") -> MigrationMark:
    return MigrationMark(task_key=task_key(name, source_key=name), copy_id=copy_id)


def test_the_first_copy_has_it_for_good(claims: MigrationClaims) -> None:
    assert claims.claim(mark("a"), "m1") == Claim(copy_id="a", message_id="m1")

    assert claims.claim(mark("b"), "m2") == Claim(copy_id="a", message_id="m1")
    assert claims.claim(mark("a"), "m3") == Claim(copy_id="a", message_id="m3")
    assert claims.claim(mark("b"), "m2") == Claim(copy_id="a", message_id="m3")
    assert claims.claim(mark("b", "another"), "m4").copy_id == "b"


def test_it_tells_what_was_received(claims: MigrationClaims) -> None:
    names = [f"task-{number}" for number in range(130)]
    for name in names[::2]:
        claims.claim(mark(f"copy of {name}".replace(" ", "-"), name), "m")
    keys = {name: mark("", name).task_key for name in names}

    found = claims.started([*keys.values(), *keys.values()])

    assert found == {keys[name]: f"copy-of-{name}" for name in names[::2]}
    assert claims.started([]) == {}


def test_the_first_claim_makes_the_table(table: CoordinationTable) -> None:
    claims = MigrationClaims(table=table)
    assert claims.started([mark("a").task_key]) == {}

    assert claims.claim(mark("a", uuid.uuid4().hex), "m1").copy_id == "a"
