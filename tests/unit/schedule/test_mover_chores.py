"""What the leader does beside: at its own times, and never in the way of tasks."""

import pytest

from celery_aws.core.schedule import STANDARD
from celery_aws.errors import AccessDeniedError
from celery_aws.schedule.mover import Mover
from tests.unit.schedule.conftest import Process, World


class Chore:
    """Wants to be done every so often, and may fail."""

    def __init__(self, world: World, every_seconds: float) -> None:
        self.done_at: list[float] = []
        self.error: Exception | None = None
        self._world = world
        self._every_seconds = every_seconds

    def turn(self) -> float:
        self.done_at.append(self._world.clock.monotonic())
        if self.error is not None:
            raise self.error
        return self._every_seconds


@pytest.fixture
def chore(world: World) -> Chore:
    return Chore(world, 4.0)


@pytest.fixture
def mover(world: World, chore: Chore) -> Mover:
    made = Process(world, "one").new_mover(STANDARD)
    made._chores = [chore]
    return made


def test_a_chore_does_not_wait_for_the_next_turn(mover: Mover, chore: Chore) -> None:
    mover.rest(mover.turn())
    assert chore.done_at == [4.0 * n for n in range(15)]


def test_who_does_not_lead_does_no_chore(world: World, mover: Mover, chore: Chore) -> None:
    Process(world, "leader").new_mover(STANDARD).turn()
    mover.rest(mover.turn())
    assert chore.done_at == []


def test_a_chore_that_fails_is_said_to_be_what_fails(
    world: World, mover: Mover, chore: Chore, caplog: pytest.LogCaptureFixture
) -> None:
    chore.error = AccessDeniedError("no", service="sqs", operation="DeleteQueue")
    assert mover.turn() == STANDARD.period_seconds
    mover.rest(STANDARD.period_seconds)
    assert 2 < len(chore.done_at) < 15
    assert "what killed processes have left" in caplog.text
    assert "parked tasks" not in caplog.text
