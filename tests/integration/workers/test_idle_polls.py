"""An idle worker asks its two queues once in each long poll, and hardly anything else.

The simulation's idle worker (tests/simulation/test_fleet_costs.py) polls so, and stays within the
budget of a month; here it is seen that a real one does, with polls of a second.
"""

import time
from collections import Counter

import pytest

from celery_aws import create_table
from celery_aws.testing import FaultProxy
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

#: What ``AwsEnvironment.celery_config`` says.
POLL_SECONDS = 1.0

#: Its task queue and its inbox.
QUEUES = 2

POLLS = 12

#: Requests that renew a lease or look for parked tasks, each of which comes a few times a minute.
OTHERS = 6


def wait_for_polls(proxy: FaultProxy, count: int) -> None:
    assert proxy.requests.wait_for(
        "sqs.ReceiveMessage", count=count, timeout_seconds=PATIENCE_SECONDS
    )


def test_an_idle_worker_polls_as_often_as_a_poll_is_long(
    project: Project, fault_proxy: FaultProxy
) -> None:
    create_table(project.client())
    aws = project.aws.through(fault_proxy)
    config = {"broker_url": aws.broker_url, "result_backend": aws.result_backend}
    with project.worker(pool="prefork", config=config, environment=aws.variables):
        # The inbox's first poll does not wait.
        wait_for_polls(fault_proxy, 2 * QUEUES + 1)
        began, before = time.monotonic(), Counter(fault_proxy.requests.counts())
        wait_for_polls(fault_proxy, before["sqs.ReceiveMessage"] + POLLS)
        seconds, asked = time.monotonic() - began, Counter(fault_proxy.requests.counts()) - before
    assert asked["sqs.ReceiveMessage"] <= QUEUES * (seconds / POLL_SECONDS + 1)
    assert asked.total() - asked["sqs.ReceiveMessage"] <= OTHERS, asked
