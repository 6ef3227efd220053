"""The same four workers on a Redis of their own, to compare with."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from celery import Celery

from bench.control.fleet import APP, NODES, ROOT
from bench.redis_server import redis_server
from celery_aws.testing import WorkerProcess


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
