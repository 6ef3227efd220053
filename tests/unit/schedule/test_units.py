"""What a parked task costs: the numbers of the documentation have to stay true."""

import pytest

from celery_aws.core.attributes import item_bytes
from celery_aws.testing.clock import FakeClock
from tests.unit.schedule.conftest import TABLE, Process, World

#: As large as a task of Celery's with few arguments is in its envelope, and as compressible.
BODY = '{"body": "[[\\"you\\"], {}, {\\"callbacks\\": null}]", "headers": {"lang": "py"}}' * 12


@pytest.fixture
def parked(world: World) -> World:
    world.park(400, due_seconds=3_600, apart_seconds=0.5, body=BODY)
    return world


def test_a_task_is_one_write_in_and_one_out(parked: World, clock: FakeClock) -> None:
    written = parked.tables.write_units
    assert written / 400 <= 1.2

    mover = Process(parked, "worker").mover
    clock.advance(2_700 - 60)
    read = parked.tables.read_units
    renewals = 0
    while parked.items():
        clock.advance(mover.turn())
        renewals += 1

    assert (parked.tables.write_units - written - renewals) / 400 <= 1.2
    assert (parked.tables.read_units - read - renewals) / 400 <= 3
    assert parked.sqs.count("SendMessageBatch") <= 400 / 10 + renewals


def test_an_idle_leader_is_a_write_and_a_read_a_minute(world: World, clock: FakeClock) -> None:
    mover = Process(world, "worker").mover
    before = world.tables.write_units, world.tables.read_units
    while clock.monotonic() < 3_600:
        clock.advance(mover.turn())

    assert world.tables.write_units - before[0] <= 61
    assert world.tables.read_units - before[1] <= 62


def test_a_typical_task_fits_into_one_write_unit(parked: World) -> None:
    entries = [item for item in parked.tables.items(TABLE) if "task_id" in item]

    assert max(map(item_bytes, entries)) <= 1_024
