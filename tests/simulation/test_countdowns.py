"""Tasks with an eta of any length start once and on time, and are in flight for no longer.

The visibility timeout is 3 s: shorter than all but one of these countdowns.
"""

from collections.abc import Callable
from datetime import timedelta, timezone

import pytest

from celery_aws.core.schedule import STANDARD
from celery_aws.names import QueueName
from tests.simulation.clocks import WorldClock
from tests.simulation.conftest import Deployment
from tests.simulation.publisher import Publisher

Deploy = Callable[[int], Deployment]

HOUR = 3_600
DAY = 24 * HOUR
COUNTDOWNS = {
    "2 s": 2, "8 s": 8, "60 s": 60, "899 s": 899, "901 s": 901, "an hour": HOUR,
    "3 days": 3 * DAY, "20 days": 20 * DAY,
}  # fmt: skip

#: For how long before its time a task may be with a worker that holds it, the time in which it is
#: handed out included.
HELD_SECONDS = 2.0


@pytest.fixture
def deployment(deploy: Deploy) -> Deployment:
    return deploy(1)


@pytest.fixture
def publisher(deployment: Deployment) -> Publisher:
    return deployment.publisher()


def check_starts(deployment: Deployment, count: int) -> None:
    starts = deployment.starts.of
    assert len(starts) == count
    assert {task_id: len(of) for task_id, of in starts.items()} == dict.fromkeys(starts, 1)
    late = {task_id: of[0].late_seconds for task_id, of in starts.items()}
    assert {task_id: seconds for task_id, seconds in late.items() if not 0 <= seconds <= 1} == {}
    assert deployment.cloud.sqs.messages(QueueName("celery")) == []


def test_each_countdown_starts_once_and_within_a_second(
    deployment: Deployment, publisher: Publisher
) -> None:
    for name, seconds in COUNTDOWNS.items():
        publisher.send(name, countdown=seconds)
    # Without the mover of FIFO queues, which has something to ask a million times in 20 days.
    deployment.lanes = [STANDARD]
    deployment.worker()
    deployment.world.run_until(20 * DAY + 5)
    check_starts(deployment, len(COUNTDOWNS))


def test_on_a_fifo_queue_as_well(deployment: Deployment, publisher: Publisher) -> None:
    deployment.queues = ["orders.fifo"]
    for name, seconds in COUNTDOWNS.items():
        if seconds <= HOUR:
            publisher.send(name, countdown=seconds, queue="orders.fifo")
    deployment.worker()
    deployment.world.run_until(HOUR + 5)
    check_starts(deployment, len([each for each in COUNTDOWNS.values() if each <= HOUR]))


def test_naive_and_aware_etas(deployment: Deployment, publisher: Publisher) -> None:
    now = WorldClock(deployment.world).now()
    tokyo = timezone(timedelta(hours=9))
    for seconds in (60, HOUR):
        eta = now + timedelta(seconds=seconds)
        publisher.send(f"aware {seconds}", eta=eta)
        publisher.send(f"Tokyo {seconds}", eta=eta.astimezone(tokyo))
        publisher.send(f"naive {seconds}", eta=eta.replace(tzinfo=None))
        publisher.send(f"text {seconds}", eta=eta.isoformat())
    deployment.worker()
    deployment.world.run_until(HOUR + 5)
    check_starts(deployment, 8)


def test_retries(deployment: Deployment, publisher: Publisher) -> None:
    for name, seconds in COUNTDOWNS.items():
        if seconds <= HOUR:
            publisher.retry(name, countdown=seconds)
    deployment.worker()
    deployment.world.run_until(HOUR + 5)
    check_starts(deployment, len([each for each in COUNTDOWNS.values() if each <= HOUR]))


@pytest.mark.parametrize("countdown", [60, HOUR], ids=["delayed", "parked"])
def test_waiting_tasks_are_not_in_flight(
    deployment: Deployment, publisher: Publisher, countdown: int
) -> None:
    for number in range(200):
        publisher.send(str(number), countdown=countdown)
    deployment.worker()
    sampled = []
    while deployment.world.seconds < countdown - HELD_SECONDS:
        deployment.world.sleep(1.0)
        sampled.append(deployment.not_visible())
    assert set(sampled) == {0}
    assert deployment.workers[0].held == {}
    publisher.send("another")
    deployment.world.run_until(countdown + 5)
    check_starts(deployment, 201)
