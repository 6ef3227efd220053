"""A worker whose remote control cannot work works on tasks, and has it as soon as it can."""

import time

import pytest

from celery_aws.testing import ACCESS_DENIED, FaultProxy, HalfOpen, WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.workers.conftest import Project

pytestmark = pytest.mark.worker

#: What a worker's start may wait for an AWS that does not answer, its own two seconds included.
START_SECONDS = 15.0


@pytest.fixture
def worker(project: Project, proxied_environment: AwsEnvironment) -> WorkerProcess:
    project.configure(task_ignore_result=True)
    with project.client().connection_for_write() as connection:
        connection.default_channel.queue_declare("celery")
    return project.worker(
        concurrency=1,
        config={**proxied_environment.celery_config(), "task_ignore_result": True},
        environment=proxied_environment.variables,
        mingles=True,
    )


@pytest.mark.parametrize("operation", ["sqs.CreateQueue", "dynamodb.*"])
def test_without_the_rights_it_works_on_tasks(
    project: Project, fault_proxy: FaultProxy, worker: WorkerProcess, operation: str
) -> None:
    app = project.client()
    with fault_proxy.switched_on(ACCESS_DENIED, operations=[operation]):
        worker.start()
        sent = app.send_task("proj.quiet")
        worker.wait_for_log(rf"{sent.id}\] succeeded")
        worker.wait_for_log("no remote control yet, tasks are worked on: .*AccessDenied")

    assert any(app.control.ping(timeout=2.0, limit=1) for _ in range(5)), worker.log
    assert worker.stop() == 0
    assert project.inboxes() == []
    assert "Traceback" not in worker.log


def test_while_dynamodb_does_not_answer_it_works_on_tasks(
    project: Project, fault_proxy: FaultProxy, worker: WorkerProcess
) -> None:
    app = project.client()
    with fault_proxy.switched_on(HalfOpen(), operations=["dynamodb.*"]):
        began = time.monotonic()
        worker.start()
        assert time.monotonic() - began < START_SECONDS
        sent = app.send_task("proj.quiet")
        worker.wait_for_log(rf"{sent.id}\] succeeded")
        worker.wait_for_log("other workers cannot be asked what was revoked")
        worker.wait_for_log("no remote control yet, tasks are worked on")
    worker.kill()
