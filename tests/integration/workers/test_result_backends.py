"""Our broker with the result backends that Celery itself brings."""

import gc
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from celery.contrib.testing.worker import start_worker

from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A redis-server of this test, on a socket; it skips without one here and fails in CI."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs redis-server")
        pytest.skip("redis-server is not installed")
    path = tmp_path / "redis.sock"
    server = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if "ready to accept connections" in line.lower():
                break
        yield f"socket://{path}"
    finally:
        # Results that are forgotten later would ask a server that has gone.
        gc.collect()
        server.terminate()
        server.wait(10)
        if server.stdout is not None:
            server.stdout.close()


def works(project: Project, **config: Any) -> None:
    """Run tasks through a prefork worker and read their results here."""
    project.configure(**config)
    client = project.client()
    with project.worker(pool="prefork", concurrency=2):
        results = [client.send_task("proj.add", (i, i)) for i in range(10)]
        failing = client.send_task("proj.fail", ("as stored",))
        assert [r.get(timeout=PATIENCE_SECONDS) for r in results] == [2 * i for i in range(10)]
        with pytest.raises(LookupError, match="as stored"):
            failing.get(timeout=PATIENCE_SECONDS)
    assert project.messages() == (0, 0)


def test_sqlalchemy(project: Project, tmp_path: Path) -> None:
    works(project, result_backend=f"db+sqlite:///{tmp_path / 'results.sqlite'}")


def test_s3(project: Project) -> None:
    bucket = f"{project.aws.queue_name_prefix}results"
    boto3.client("s3").create_bucket(Bucket=bucket)
    works(
        project,
        result_backend=f"s3://{bucket}",
        s3_bucket=bucket,
        s3_base_path="/celery",
        s3_endpoint_url=project.aws.endpoint_url,
        s3_access_key_id="test",
        s3_secret_access_key="test",
        s3_region=project.aws.region,
    )


def test_redis(project: Project, redis_url: str) -> None:
    works(project, result_backend=f"redis+{redis_url}")


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """A worker in this process sets up the root logger; take that back for other tests."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.other_rights("one process sends tasks and works on them")
def test_memory(project: Project) -> None:
    """In one process, as memory has it: the worker is a thread of this one."""
    app = project.client(result_backend="cache+memory://")

    @app.task(name="proj.here")
    def here(number: int) -> int:
        return number + 1

    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
        assert here.delay(41).get(timeout=PATIENCE_SECONDS) == 42
