"""The doctor beside a worker that works, and where none is any more."""

import pytest

from celery_aws import create_table
from celery_aws.doctor import diagnose
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project
from tests.lonely_apps import lonely


def found(project: Project) -> list[str]:
    return [finding.id for finding in diagnose(lonely(project.client())).findings]


@pytest.mark.worker
def test_with_a_worker_and_without(project: Project) -> None:
    project.configure(broker_transport_options={"wait_time_seconds": 10})
    create_table(project.client())
    with project.worker() as worker:
        project.client().send_task("proj.add", (1, 2)).get(timeout=PATIENCE_SECONDS)
        # Its inbox is in the registry, and its mailbox is bound to it.
        assert found(project) == []

        worker.stop()
        project.client().send_task("proj.add", (1, 2))
        assert found(project) == ["messages-without-workers"]
