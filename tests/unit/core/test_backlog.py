import pytest

from celery_aws.core.backlog import Backlog, Capacity, capacity


@pytest.mark.parametrize(
    ("ready", "workers", "per_worker"), [(0, 0, 0), (70, 0, 70), (70, 1, 70), (70, 4, 17.5)]
)
def test_backlog_per_worker(ready: int, workers: int, per_worker: float) -> None:
    assert Backlog(ready=ready, capacity=Capacity(workers=workers)).per_worker == per_worker


def test_time_to_drain_by_what_a_task_takes() -> None:
    # Two workers of four slots, half a second a task: sixteen tasks a second.
    workers = Capacity(workers=2, slots=8).at(0.5)

    assert workers.tasks_a_second == 16
    assert Backlog(ready=160, capacity=workers).drain_seconds == 10


@pytest.mark.parametrize("rate", [None, 0.0])
def test_time_to_drain_is_not_known_without_a_rate(rate: float | None) -> None:
    assert Backlog(ready=1, capacity=Capacity(tasks_a_second=rate)).drain_seconds is None


def test_nothing_takes_no_time() -> None:
    assert Backlog(ready=0, capacity=Capacity()).drain_seconds == 0


def test_workers_together() -> None:
    one = Capacity(workers=1, slots=4, tasks_a_second=2.5)
    two = Capacity(workers=1, slots=2, tasks_a_second=1.5)

    assert capacity([one, two]) == Capacity(workers=2, slots=6, tasks_a_second=4)
    assert capacity([one, Capacity(workers=1, slots=2)]).tasks_a_second is None
    assert capacity([]) == Capacity()
