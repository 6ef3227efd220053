"""What a real worker asks of AWS, counted by the meter of each of its processes."""

import json
from collections import Counter
from pathlib import Path

import pytest

from celery_aws import create_table
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

TASKS = 60

#: Requests of a worker's start when its queue and the coordination table exist, beside the first
#: poll of its queue and that of its inbox.
START_BUDGET = 10

#: The same when it makes them, and a dead-letter queue.
FIRST_START_BUDGET = 20

#: What comes at its end, until it says so.
AT_THE_END = Counter({"dynamodb.BatchWriteItem": 1, "dynamodb.DeleteItem": 1})

#: For remote control, events, and the lease of parked tasks, until the end.
DYNAMODB_AT_A_START = Counter(
    {"dynamodb.PutItem": 4, "dynamodb.Query": 3, "dynamodb.GetItem": 1, **AT_THE_END}
)


@pytest.fixture
def existing(project: Project, tmp_path: Path) -> Project:
    """A project whose queue and table are there, and whose processes leave their counts."""
    client = project.client()
    create_table(client)
    with client.connection_for_write() as connection:
        connection.default_channel.queue_declare("celery")
        connection.transport.coordination.table.ensure()
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


def of_the_start(requests: Counter[str]) -> int:
    """Return how many came before the end; polls go on for as long as the machine takes."""
    polls = Counter({"sqs.ReceiveMessage": requests["sqs.ReceiveMessage"]})
    return (requests - AT_THE_END - polls).total()


def of_dynamodb(requests: Counter[str]) -> Counter[str]:
    return Counter({name: n for name, n in requests.items() if name.startswith("dynamodb.")})


def test_a_start_costs_few_requests(existing: Project, tmp_path: Path) -> None:
    requests = requests_of(existing, tmp_path, 0)

    assert of_the_start(requests) <= START_BUDGET
    assert of_dynamodb(requests) <= DYNAMODB_AT_A_START
    assert {name for name in requests if name.startswith("sqs.")} == {
        "sqs.GetQueueUrl",
        "sqs.CreateQueue",
        "sqs.ReceiveMessage",
    }
    assert requests["sqs.CreateQueue"] == 1  # the inbox


def test_the_first_start_creates_what_is_missing(project: Project, tmp_path: Path) -> None:
    requests = requests_of(project, tmp_path, 0)

    assert of_the_start(requests) <= FIRST_START_BUDGET
    assert (requests["sqs.CreateQueue"], requests["sqs.GetQueueAttributes"]) == (3, 1)
    assert requests["dynamodb.CreateTable"] == 1


def test_a_task_costs_one_write_and_a_share_of_two_requests(
    existing: Project, tmp_path: Path
) -> None:
    requests = requests_of(existing, tmp_path, TASKS)

    of_tasks = of_dynamodb(requests) - DYNAMODB_AT_A_START
    assert of_tasks["dynamodb.PutItem"] == TASKS
    # One look for parked tasks, if it took so long.
    assert of_tasks.total() <= TASKS + 2
    assert requests["sqs.DeleteMessageBatch"] < TASKS
    assert requests["sqs.ReceiveMessage"] < TASKS
    assert "sqs.SendMessage" not in requests
    assert "sqs.DeleteMessage" not in requests
    assert "sqs.ListQueues" not in requests
