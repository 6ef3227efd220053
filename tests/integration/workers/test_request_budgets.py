"""What the way of a task through SQS may cost, in requests of who sends it and of its worker."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, group

from celery_aws import request_counts
from celery_aws.local import LocalAws
from celery_aws.testing import FaultProxy, WorkerProcess
from tests.integration.workers.conftest import Project

pytestmark = pytest.mark.worker

TASKS = 150

#: SQS requests a task, sent one by one: one send, and shares of a receive and of a delete.
REQUESTS_A_TASK = 1.35

#: The same for a task that is sent with others.
REQUESTS_A_TASK_OF_A_GROUP = 0.4

#: Messages that a receive brings on average, while the queue is busy.
MESSAGES_A_RECEIVE = 5

#: Receives beside those that bring messages: the poll before the first, and the last.
EMPTY_RECEIVES = 2

POOLS = [
    pytest.param("prefork", 2, False, id="prefork-2"),
    pytest.param("prefork", 2, True, id="prefork-2-late"),
    pytest.param("prefork", 4, False, id="prefork-4"),
    pytest.param("prefork", 4, True, id="prefork-4-late"),
    pytest.param("threads", 16, True, id="threads-16-late"),
    pytest.param("gevent", 100, False, id="gevent-100"),
]


@pytest.fixture(scope="module")
def proxy(local_aws: LocalAws) -> Iterator[FaultProxy]:
    with FaultProxy(local_aws.endpoint_url) as proxy:
        yield proxy


class Scene:
    """A queue, a client that sends to it, and a worker whose every request goes through a proxy."""

    def __init__(self, project: Project, proxy: FaultProxy) -> None:
        project.configure(
            task_ignore_result=True,
            # Without it, and so without an inbox, every receive is one of the queue.
            broker_transport_options={
                "coordination_table": False,
                # However slow the machine is, an acknowledgement has time to find company.
                "ack_linger_seconds": 0.5,
            },
        )
        self.project = project
        self.client: Celery = project.client()
        with self.client.connection_for_write() as connection:
            connection.default_channel.queue_declare("celery")
        self._proxy = proxy
        self._before = self._now()

    def worker(self, pool: str, concurrency: int, *, late: bool = False) -> WorkerProcess:
        aws = self.project.aws.through(self._proxy)
        config: dict[str, Any] = {"broker_url": aws.broker_url, "task_acks_late": late}
        return self.project.worker(
            config=config, environment=aws.variables, pool=pool, concurrency=concurrency
        )

    def send(self, tasks: int, name: str = "proj.quiet", *arguments: Any) -> None:
        for _ in range(tasks):
            self.client.send_task(name, arguments)

    def requests_until_done(self) -> Counter[str]:
        """Wait until the queue is empty; return the SQS requests since the scene was made."""
        done = self.project.wait_for_messages((0, 0))
        spent = self._now() - self._before
        assert done == (0, 0), f"left: {done}"
        return Counter({name: n for name, n in spent.items() if name.startswith("sqs.")})

    def _now(self) -> Counter[str]:
        return Counter(self._proxy.requests.counts()) + Counter(request_counts())


@pytest.fixture
def scene(project: Project, proxy: FaultProxy) -> Scene:
    return Scene(project, proxy)


def check(requests: Counter[str], tasks: int = TASKS) -> None:
    receives = requests["sqs.ReceiveMessage"]
    assert receives <= tasks / MESSAGES_A_RECEIVE + EMPTY_RECEIVES
    assert requests["sqs.SendMessage"] == tasks
    spent = requests["sqs.SendMessage"] + receives + requests["sqs.DeleteMessageBatch"]
    assert spent <= REQUESTS_A_TASK * tasks
    assert "sqs.DeleteMessage" not in requests
    assert "sqs.ChangeMessageVisibilityBatch" not in requests


@pytest.mark.parametrize(("pool", "concurrency", "late"), POOLS)
def test_tasks_that_wait_come_several_at_once(
    scene: Scene, pool: str, concurrency: int, late: bool
) -> None:
    scene.send(TASKS)

    with scene.worker(pool, concurrency, late=late):
        requests = scene.requests_until_done()

    check(requests)


def test_a_burst_costs_no_more_than_tasks_that_wait(scene: Scene) -> None:
    with scene.worker("prefork", 2):
        # While they run, the others are sent one by one.
        scene.send(2, "proj.work", 1.0)
        scene.send(TASKS)
        requests = scene.requests_until_done()

    check(requests, TASKS + 2)


def test_a_group_costs_a_share_of_three_requests(scene: Scene) -> None:
    quiet = scene.client.signature("proj.quiet")
    group(quiet.clone() for _ in range(TASKS)).apply_async()

    with scene.worker("prefork", 2):
        requests = scene.requests_until_done()

    assert requests.total() <= REQUESTS_A_TASK_OF_A_GROUP * TASKS
