"""The same four workers on a Redis of their own, to compare with."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from celery import Celery

from bench.control.fleet import APP, NODES, PATIENCE_SECONDS, ROOT
from celery_aws.local.environment import LOOPBACK
from celery_aws.local.output import spawn
from celery_aws.testing import WorkerProcess


def redis_program() -> str | None:
    """Return the server's program, None if it is not installed."""
    return shutil.which("redis-server")


@contextmanager
def redis_client(program: str) -> Iterator[Any]:
    """Run Redis and the workers beside the block; yields a client's app."""
    with ExitStack() as stack:
        url = stack.enter_context(redis_server(program))
        settings = {"broker_url": url, "broker_connection_retry_on_startup": True}
        client = Celery("client", set_as_current=False)
        client.conf.update(settings)
        stack.callback(client.close)
        # The local AWS is in the environment, and beats the configuration.
        environment = {"CELERY_BROKER_URL": url, "FLEET_CONFIG": json.dumps(settings)}
        workers = [
            WorkerProcess(APP, directory=ROOT, name=node, concurrency=1, environment=environment)
            for node in NODES
        ]
        for worker in workers:
            stack.callback(worker.kill)
            worker.launch()
        for worker in workers:
            worker.wait_until_ready()
        yield client


@contextmanager
def redis_server(program: str) -> Iterator[str]:
    """Run Redis on a free port beside the block; yields its URL."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
    with TemporaryDirectory() as folder:
        arguments = ["--bind", LOOPBACK, "--port", str(port), "--save", "", "--dir", folder]
        process, output = spawn("redis", [program, *arguments], os.environ)
        try:
            assert output.wait_for("(?i)ready to accept connections", PATIENCE_SECONDS)
            yield f"redis://{LOOPBACK}:{port}/0"
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            output.stop(PATIENCE_SECONDS)
