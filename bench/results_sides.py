"""The same client and worker with three result backends: ours, Celery's own, and Redis.

Messages go through our broker in all three, so that what differs is the result backend.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from bench.control.fleet import client_process
from bench.redis_server import redis_server
from celery_aws.local.environment import ACCESS_KEY_ID, LOOPBACK, SECRET_ACCESS_KEY
from celery_aws.testing import FaultProxy, WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment

ROOT = Path(__file__).parent.parent
APP = "bench.results_app"

#: Nothing is asked any more once it was quiet for so long.
_QUIET_SECONDS = 0.5


#: Not those of the coordination table, which the worker looks into for parked tasks.
_OF_RESULTS = (
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchGetItem",
    "BatchWriteItem",
)


@dataclass(frozen=True, kw_only=True)
class Side:
    """A client and its worker.

    Attributes:
        client: knows tasks by name only.
        counts: what either has asked of the store of results so far, by operation.
    """

    client: Any
    counts: Callable[[], Counter[str]]

    def spent(self, load: Callable[[Any], None]) -> Counter[str]:
        """Run a load; return what it has asked of the store."""
        before = self.counts()
        load(self.client)
        return self._settled() - before

    def _settled(self) -> Counter[str]:
        found = self.counts()
        while True:
            time.sleep(_QUIET_SECONDS)
            last, found = found, self.counts()
            if found == last:
                return found


@contextmanager
def ours(aws: AwsEnvironment) -> Iterator[Side]:
    """Run with our result backend."""
    with FaultProxy(aws.endpoint_url) as proxy:
        through = aws.through(proxy)
        with _running(through, through.result_backend) as client:
            yield Side(client=client, counts=lambda: _dynamodb(proxy))


@contextmanager
def stock(aws: AwsEnvironment) -> Iterator[Side]:
    """Run with Celery's own DynamoDB backend."""
    with FaultProxy(aws.endpoint_url) as proxy:
        keys = f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}"
        url = f"dynamodb://{keys}@{LOOPBACK}:{proxy.port}/{aws.results_table}"
        with _running(aws.through(proxy), url) as client:
            yield Side(client=client, counts=lambda: _dynamodb(proxy))


@contextmanager
def on_redis(aws: AwsEnvironment, program: str) -> Iterator[Side]:
    """Run with Celery's Redis backend, on a server of its own."""
    with (
        redis_server(program) as url,
        redis.Redis.from_url(url) as server,
        _running(aws, url) as client,
    ):
        yield Side(client=client, counts=lambda: _commands(server))


@contextmanager
def _running(aws: AwsEnvironment, result_backend: str) -> Iterator[Any]:
    settings: dict[str, Any] = {
        **aws.celery_config(),
        "result_backend": result_backend,
        "broker_connection_retry_on_startup": True,
    }
    variables = {**aws.variables, "CELERY_RESULT_BACKEND": result_backend}
    with ExitStack() as stack:
        stack.enter_context(client_process(variables))
        client = Celery("client", set_as_current=False)
        client.conf.update(settings)
        stack.callback(client.close)
        stack.enter_context(_worker({**variables, "BENCH_CONFIG": json.dumps(settings)}))
        client.send_task("results.echo", (0,)).get(timeout=30)
        yield client


def _worker(variables: Mapping[str, str]) -> WorkerProcess:
    return WorkerProcess(
        APP,
        directory=ROOT,
        environment={**os.environ, **variables},
        arguments=["--without-gossip", "--without-mingle"],
    )


def _dynamodb(proxy: FaultProxy) -> Counter[str]:
    counts = proxy.requests.counts().items()
    return Counter(
        {
            name.removeprefix("dynamodb."): n
            for name, n in counts
            if name.startswith("dynamodb.") and name.removeprefix("dynamodb.") in _OF_RESULTS
        }
    )


def _commands(server: Any) -> Counter[str]:
    stats = server.info("commandstats")
    counts = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
    return Counter({name: n for name, n in counts.items() if name != "info"})
