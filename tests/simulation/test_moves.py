"""How a leader works through what is due: in full batches, and in time when there is much of it."""

import logging
from collections.abc import Callable

import pytest

from celery_aws.core.schedule import STANDARD
from tests.simulation.conftest import Deployment

Deploy = Callable[[int], Deployment]

HOUR = 3_600

HURRY = "parked tasks are late"


@pytest.fixture
def deployment(deploy: Deploy) -> Deployment:
    made = deploy(1)
    made.lanes = [STANDARD]
    return made


def worst_late_seconds(deployment: Deployment) -> float:
    return max(start.late_seconds for starts in deployment.starts.of.values() for start in starts)


def test_tasks_of_many_shards_share_requests(deployment: Deployment) -> None:
    publisher = deployment.publisher()
    for number in range(500):
        publisher.send(str(number), countdown=HOUR)
    deployment.worker()
    deployment.world.run_until(HOUR + 5)
    assert len(deployment.starts.of) == 500
    assert deployment.cloud.sqs.count("SendMessageBatch") == 50


def test_nobody_hurries_for_shards_that_are_empty(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    deployment.publisher().send("only", countdown=HOUR)
    deployment.worker()
    # Nobody leads for long enough to delete a marker.
    while deployment.world.seconds < 2 * HOUR:
        deployment.world.sleep(100)
        leader = deployment.leader(STANDARD)
        if leader is not None:
            leader.kill()
            deployment.worker()
    assert len(deployment.starts.of["only"]) == 1
    assert HURRY not in caplog.text


def test_more_than_one_stream_moves_in_time(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    # Ten tasks in four seconds: 2,250 in the 900 that there are.
    deployment.cloud.request_seconds = (2.0, 2.0)
    publisher = deployment.publisher()
    for number in range(3_000):
        publisher.send(str(number), countdown=HOUR)
    deployment.worker()
    with caplog.at_level(logging.WARNING):
        deployment.world.run_until(HOUR + 900)
    assert len(deployment.starts.of) == 3_000
    assert HURRY in caplog.text
    assert {seen.again for seen in deployment.cloud.sqs.sent} == {False}
    # Until the last is received: the worker waits for requests as well.
    assert max(sent.at_seconds for sent in deployment.cloud.sqs.sent) < HOUR
