"""What a real worker asks of AWS, counted by the meter of each of its processes."""

import json
from collections import Counter
from pathlib import Path

import pytest

from celery_aws import create_table
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

TASKS = 60

#: Requests of a worker's start and end when queue and table exist.
START_BUDGET = 12


@pytest.fixture
def existing(project: Project, tmp_path: Path) -> Project:
    """A project whose queue and table are there, and whose processes leave their counts."""
    client = project.client()
    create_table(client)
    with client.connection_for_write() as connection:
        connection.default_channel.queue_declare("celery")
    return project


def requests_of(project: Project, folder: Path, tasks: int) -> Counter[str]:
    """Run a worker over so many tasks; return its requests, those of its children included."""
    client = project.client()
    sent = [client.send_task("proj.add", (i, i)) for i in range(tasks)]
    worker = project.worker(pool="prefork", environment={"PROJ_COUNTS": str(folder)})
    with worker:
        assert [r.get(timeout=PATIENCE_SECONDS) for r in sent] == [2 * i for i in range(tasks)]
        assert worker.stop() == 0
    files = list(folder.glob("*.json"))
    assert len(files) == 3, "the parent and its two children"
    return sum((Counter(json.loads(path.read_text())) for path in files), Counter())


def test_a_start_costs_few_requests(existing: Project, tmp_path: Path) -> None:
    requests = requests_of(existing, tmp_path, 0)

    assert requests.total() <= START_BUDGET
    # The item is the lease of parked tasks, in a table that nobody has needed yet.
    assert set(requests) <= {"sqs.GetQueueUrl", "sqs.ReceiveMessage", "dynamodb.GetItem"}
    assert requests["dynamodb.GetItem"] == 1


def test_the_first_start_creates_a_queue_and_its_dead_letter_queue(
    project: Project, tmp_path: Path
) -> None:
    requests = requests_of(project, tmp_path, 0)

    assert requests.total() <= START_BUDGET
    assert (requests["sqs.CreateQueue"], requests["sqs.GetQueueAttributes"]) == (2, 1)


def test_a_task_costs_one_write_and_a_share_of_two_requests(
    existing: Project, tmp_path: Path
) -> None:
    requests = requests_of(existing, tmp_path, TASKS)

    dynamodb = {name: n for name, n in requests.items() if name.startswith("dynamodb.")}
    # Beside the lease of parked tasks, as above.
    assert dynamodb == {"dynamodb.PutItem": TASKS, "dynamodb.GetItem": 1}
    assert requests["sqs.DeleteMessageBatch"] < TASKS
    assert requests["sqs.ReceiveMessage"] < TASKS
    assert "sqs.DeleteMessage" not in requests
    assert "sqs.ListQueues" not in requests
