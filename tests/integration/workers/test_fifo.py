"""Tasks of FIFO queues that publish themselves again: Celery keeps their ids, SQS drops doubles."""

import pytest

from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = [pytest.mark.worker, pytest.mark.oldest]

OPTIONS = {"queue": "orders.fifo", "MessageGroupId": "tenant-7"}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_retry_is_no_double_and_stays_in_its_group(project: Project, pool: str) -> None:
    client = project.client()
    retried = client.send_task("proj.group_after_retries", **OPTIONS)
    ungrouped = client.send_task("proj.group_after_retries", queue="orders.fifo")
    with project.worker(pool=pool, queues=["orders.fifo"]):
        assert retried.get(timeout=PATIENCE_SECONDS) == "tenant-7"
        assert ungrouped.get(timeout=PATIENCE_SECONDS) == "default"


def test_a_replacement_is_no_double_and_stays_in_its_group(project: Project) -> None:
    client = project.client(task_default_queue="orders.fifo")
    replaced = client.send_task("proj.replaced", **OPTIONS)
    config = {"task_default_queue": "orders.fifo"}
    with project.worker(pool="solo", config=config):
        assert replaced.get(timeout=PATIENCE_SECONDS) == "tenant-7"


def test_the_same_task_published_twice_runs_once(project: Project) -> None:
    client = project.client()
    for _ in range(2):
        client.send_task("proj.quiet", task_id="report-7", ignore_result=True, **OPTIONS)

    assert project.messages("orders.fifo") == (1, 0)
