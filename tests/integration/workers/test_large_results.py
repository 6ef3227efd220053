"""Results of 10 MB through real workers, and workers that are killed while they store one."""

import os
import random
import signal
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from celery import Celery, group
from celery.result import AsyncResult

from celery_aws.results import create_table
from celery_aws.testing import Delay, FaultProxy, WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

#: Compressed it is more than half as long: 28 pieces, which are two requests.
LENGTH = 12_500_000

FOR_EVER = 3_600.0


def long_text(length: int) -> str:
    return random.Random(length).randbytes(length // 2).hex()


class Kept:
    """What the results table and the bucket of a test hold."""

    def __init__(self, table: str, bucket: str | None) -> None:
        self._table = boto3.resource("dynamodb").Table(table)
        self._bucket = None if bucket is None else boto3.resource("s3").Bucket(bucket)

    def pieces(self) -> list[dict[str, Any]]:
        """Return all pieces, read page by page."""
        page = self._table.scan()
        found = page["Items"]
        while "LastEvaluatedKey" in page:
            page = self._table.scan(ExclusiveStartKey=page["LastEvaluatedKey"])
            found += page["Items"]
        return [item for item in found if "#piece#" in item["id"]]

    def objects(self) -> int:
        """Return how many objects there are."""
        return 0 if self._bucket is None else len(list(self._bucket.objects.all()))


@pytest.fixture
def kept(request: pytest.FixtureRequest, project: Project) -> Kept:
    bucket = None
    if request.param == "S3":
        bucket = f"results-{uuid.uuid4().hex[:12]}"
        boto3.client("s3").create_bucket(Bucket=bucket)
        project.configure(
            result_backend_transport_options={
                "large_result_bucket": bucket,
                "large_result_prefix": "results/",
            }
        )
    return Kept(project.aws.results_table, bucket)


def in_soak(*values: object) -> Any:
    """Return a case that takes its time, and shows little that the others do not."""
    return pytest.param(*values, marks=pytest.mark.soak)


@pytest.mark.parametrize(
    ("kept", "pool"),
    [
        pytest.param("table", "prefork", marks=pytest.mark.oldest),
        ("S3", "gevent"),
        in_soak("table", "threads"),
        in_soak("table", "gevent"),
        in_soak("S3", "prefork"),
        in_soak("S3", "threads"),
    ],
    indirect=["kept"],
)
def test_ten_megabytes_are_stored_and_read_back(project: Project, kept: Kept, pool: str) -> None:
    client = project.client()
    lengths = [100, 400_000, 2_000_000, LENGTH]
    with project.worker(pool=pool) as worker:
        tasks = group(client.signature("proj.long_text", (length,)) for length in lengths)
        results = tasks.apply_async()
        assert results.get(timeout=PATIENCE_SECONDS) == [long_text(length) for length in lengths]
        assert worker.stop() == 0, worker.log
    assert bool(kept.objects()) is not bool(kept.pieces())
    results.forget()
    assert kept.pieces() == []
    assert kept.objects() == 0
    assert {each.state for each in results} == {"PENDING"}


class Stuck:
    """A worker that waits for AWS in the middle of storing a result."""

    def __init__(
        self, project: Project, proxy: FaultProxy, environment: AwsEnvironment, client: Celery
    ) -> None:
        self.worker: WorkerProcess = project.worker(
            concurrency=1,
            config={
                "broker_url": environment.broker_url,
                "result_backend": environment.result_backend,
            },
            environment=environment.variables,
        )
        self._proxy = proxy
        self._client = client

    def store(self, operation: str, fault: Delay) -> AsyncResult:
        """Let the worker store a result until it meets ``fault``, which nobody else does."""
        self.worker.start()
        self._proxy.switch_on(fault, operations=[operation])
        result = self._client.send_task("proj.long_text", (LENGTH,))
        met = self._proxy.faulted.wait_for(operation, timeout_seconds=PATIENCE_SECONDS)
        assert met, self.worker.log
        return result


@pytest.fixture
def stuck(project: Project, fault_proxy: FaultProxy, proxied_environment: AwsEnvironment) -> Stuck:
    # Without the coordination table only results are written to DynamoDB.
    project.configure(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        broker_transport_options={"visibility_timeout": 5, "coordination_table": False},
    )
    client = project.client()
    create_table(client)
    return Stuck(project, fault_proxy, proxied_environment, client)


def kill_worker(worker: WorkerProcess) -> None:
    worker.kill()


def kill_pool_child(worker: WorkerProcess) -> None:
    (child,) = worker.children()
    os.kill(child, signal.SIGKILL)


def is_written(kept: Kept) -> bool:
    return kept.objects() > 0 or len(kept.pieces()) > 0


KILL = pytest.mark.parametrize(
    ("kept", "kill"),
    [
        ("table", kill_worker),
        in_soak("S3", kill_pool_child),
        in_soak("table", kill_pool_child),
        in_soak("S3", kill_worker),
    ],
    indirect=["kept"],
)


def ends_whole(project: Project, result: AsyncResult, stuck: Stuck) -> None:
    """The task is delivered again, to the same worker or the next one."""
    with project.worker(concurrency=1, name="two"):
        assert result.get(timeout=PATIENCE_SECONDS) == long_text(LENGTH)
    stuck.worker.kill()
    assert AsyncResult(result.id, app=project.client()).get(timeout=1) == long_text(LENGTH)


@pytest.mark.parametrize("kill", [kill_pool_child, in_soak(kill_worker)])
def test_killed_between_two_requests_of_pieces(
    project: Project, fault_proxy: FaultProxy, stuck: Stuck, kill: Callable[[WorkerProcess], None]
) -> None:
    kept = Kept(project.aws.results_table, None)
    result = stuck.store("dynamodb.BatchWriteItem", Delay(seconds=FOR_EVER, of_reply=True))
    assert len(kept.pieces()) == 25
    assert result.state == "PENDING"
    kill(stuck.worker)
    fault_proxy.switch_off()
    ends_whole(project, result, stuck)
    assert len(kept.pieces()) > 25 + 25, "all of the second run, and what the first has left"
    assert all("ttl" in piece for piece in kept.pieces()), "what is left expires"


@KILL
def test_killed_before_the_head(
    project: Project,
    fault_proxy: FaultProxy,
    kept: Kept,
    stuck: Stuck,
    kill: Callable[[WorkerProcess], None],
) -> None:
    result = stuck.store("dynamodb.PutItem", Delay(seconds=FOR_EVER))
    assert is_written(kept)
    assert result.state == "PENDING"
    kill(stuck.worker)
    fault_proxy.switch_off()
    ends_whole(project, result, stuck)


@KILL
def test_killed_after_the_head(
    project: Project,
    fault_proxy: FaultProxy,
    kept: Kept,
    stuck: Stuck,
    kill: Callable[[WorkerProcess], None],
) -> None:
    result = stuck.store("dynamodb.PutItem", Delay(seconds=FOR_EVER, of_reply=True))
    assert is_written(kept)
    assert result.get(timeout=PATIENCE_SECONDS) == long_text(LENGTH)
    kill(stuck.worker)
    fault_proxy.switch_off()
    ends_whole(project, result, stuck)
