"""What groups cost in requests to SQS, wherever they are published."""

from collections import Counter

import pytest
from celery import chain, group
from celery.result import AsyncResult

import celery_aws
from celery_aws import request_counts
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

GROUP = 100


def sends_since(before: Counter[str]) -> dict[str, int]:
    spent = Counter(request_counts()) - before
    return {name: n for name, n in spent.items() if name.startswith("sqs.Send")}


@pytest.mark.oldest
def test_a_group_is_a_request_for_ten_tasks(project: Project) -> None:
    client = project.client()
    with project.worker(pool="prefork", concurrency=2):
        before = Counter(request_counts())
        tasks = [client.signature("proj.add", (number, 1)) for number in range(GROUP)]
        result = group(tasks, app=client).apply_async()

        assert sends_since(before) == {"sqs.SendMessageBatch": GROUP // 10}
        assert result.get(timeout=PATIENCE_SECONDS) == list(range(1, GROUP + 1))


def test_a_block_sends_whatever_is_published_in_it(project: Project) -> None:
    client = project.client()
    with project.worker(pool="threads", concurrency=4):
        before = Counter(request_counts())
        with celery_aws.batch(client):
            sums = [client.send_task("proj.add", (number, 1)) for number in range(15)]
            signature = client.signature("proj.add", (1, 1))
            sums.append(chain(signature, client.signature("proj.add", (1,))).apply_async())

        assert sends_since(before) == {"sqs.SendMessageBatch": 2}
        expected = [*range(1, 16), 3]
        assert [each.get(timeout=PATIENCE_SECONDS) for each in sums] == expected


@pytest.mark.parametrize(
    "pool",
    [
        "prefork",
        "gevent",
        *(pytest.param(pool, marks=pytest.mark.soak) for pool in ("threads", "eventlet", "solo")),
    ],
)
def test_a_task_publishes_a_group_from_its_pool(project: Project, pool: str) -> None:
    client = project.client()
    with project.worker(pool=pool, concurrency=2):
        ids, sends = client.send_task("proj.group_out", (25,)).get(timeout=PATIENCE_SECONDS)

        assert sends == {"sqs.SendMessageBatch": 3}
        sums = [AsyncResult(each, app=client).get(timeout=PATIENCE_SECONDS) for each in ids]
        assert sums == [2 * number for number in range(25)]
