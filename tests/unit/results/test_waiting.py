from typing import Any

import pytest
from celery import Celery, states
from celery.exceptions import TimeoutError as ResultTimeoutError

from celery_aws.results import DynamoDBBackend
from celery_aws.testing.clock import FakeClock


class LateBackend(DynamoDBBackend):
    """A backend whose task ends at some look."""

    def __init__(self, app: Celery, clock: FakeClock, *, ends_at_look: int) -> None:
        super().__init__(app, "dynamodb://@eu-west-1/tasks", clock=clock)
        self.looks = 0
        self._ends_at_look = ends_at_look

    def get_task_meta(self, task_id: str, cache: bool = True) -> dict[str, Any]:
        self.looks += 1
        ended = self.looks >= self._ends_at_look
        return {"status": states.SUCCESS if ended else states.PENDING, "task_id": task_id}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_result_that_is_there_costs_one_look(app: Celery, clock: FakeClock) -> None:
    backend = LateBackend(app, clock, ends_at_look=1)
    assert backend.wait_for("t")["status"] == states.SUCCESS
    assert (backend.looks, clock.sleeps) == (1, [])


def test_waits_double_up_to_the_interval(app: Celery, clock: FakeClock) -> None:
    backend = LateBackend(app, clock, ends_at_look=9)
    backend.wait_for("t", interval=0.5)
    assert clock.sleeps == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 0.5, 0.5])


def test_a_shorter_interval_is_kept(app: Celery, clock: FakeClock) -> None:
    LateBackend(app, clock, ends_at_look=4).wait_for("t", interval=0.01)
    assert clock.sleeps == pytest.approx([0.01, 0.01, 0.01])


@pytest.mark.parametrize(("timeout", "sleeps"), [(0, []), (0.05, [0.02, 0.03])])
def test_the_timeout_is_kept_to(
    app: Celery, clock: FakeClock, timeout: float, sleeps: list[float]
) -> None:
    backend = LateBackend(app, clock, ends_at_look=99)
    with pytest.raises(ResultTimeoutError):
        backend.wait_for("t", timeout=timeout)
    assert clock.sleeps == pytest.approx(sleeps)


def test_every_look_that_finds_nothing_is_told(app: Celery, clock: FakeClock) -> None:
    told: list[None] = []
    LateBackend(app, clock, ends_at_look=3).wait_for("t", on_interval=lambda: told.append(None))
    assert len(told) == 2
