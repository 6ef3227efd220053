"""What is compared: how each side is set up, and what its servers say that they were asked.

Stock Celery's settings are those of the team that moved from Redis to SQS and DynamoDB and wrote
about it: a broker URL with keys in it, ``polling_interval`` 1, ``wait_time_seconds`` 15,
``visibility_timeout`` 3600. Where the endpoint is comes from the environment, on every side.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import redis

from bench.cloud import Cloud
from bench.redis_server import redis_program, redis_server
from bench.speed.delay_proxy import delay_proxy
from celery_aws.local.environment import ACCESS_KEY_ID, SECRET_ACCESS_KEY

_TABLE = "speed-results"

#: That a task's result is stored, on Redis.
_STORED = "setex"

#: Set for each side, whatever is set for whoever runs the benchmark.
_NOT_INHERITED = ("AWS_", "CELERY_", "BENCH_")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a side's servers have done up to a moment, or between two.

    Attributes:
        seconds: on the clock of this machine.
        stored: results.
        requests: AWS requests, or Redis's commands, by operation.
        dollars: what AWS asks for them; nothing on Redis, which is paid by the hour.
        server_cpu_seconds: of the cloud, None for Redis.
    """

    seconds: float
    stored: int
    requests: Mapping[str, int] = field(default_factory=dict)
    dollars: float = 0.0
    server_cpu_seconds: float | None = None

    def since(self, earlier: "Sample") -> "Sample":
        """Return what came after an earlier moment."""
        requests = Counter(self.requests)
        requests.subtract(earlier.requests)
        cpu_seconds = None
        if self.server_cpu_seconds is not None and earlier.server_cpu_seconds is not None:
            cpu_seconds = self.server_cpu_seconds - earlier.server_cpu_seconds
        return Sample(
            seconds=self.seconds - earlier.seconds,
            stored=self.stored - earlier.stored,
            requests={name: n for name, n in requests.items() if n},
            dollars=self.dollars - earlier.dollars,
            server_cpu_seconds=cpu_seconds,
        )


@dataclass(frozen=True, kw_only=True)
class Servers:
    """The servers of one run.

    Attributes:
        environment: of the client and the worker: the whole of it.
        sample: looks at what was asked.
        set_latency: adds so many milliseconds to each answer from now on.
    """

    environment: Mapping[str, str]
    sample: Callable[[], Sample]
    set_latency: Callable[[float], None]


@contextmanager
def servers(side: str, latency_ms: float) -> Iterator[Servers]:
    """Run a side's servers beside the block, without latency so far.

    Args:
        side: one of :data:`bench.speed.plan.SIDES`.
        latency_ms: most that will be asked for.
    """
    with ExitStack() as stack:
        if side == "redis":
            yield stack.enter_context(_redis(latency_ms))
            return
        cloud = stack.enter_context(Cloud())
        variables = cloud.environment(table=_TABLE)
        if side != "ours":
            variables = {key: variables[key] for key in variables if not key.startswith("CELERY_")}
        yield Servers(
            environment=_environment(_SETTINGS[side], variables),
            sample=lambda: _cloud_sample(cloud),
            set_latency=cloud.set_latency,
        )


def forget_environment() -> None:
    """Drop what whoever runs the benchmark has set for AWS and Celery: workers would see it."""
    for name in list(os.environ):
        if name.startswith(_NOT_INHERITED):
            del os.environ[name]


def missing_programs() -> list[str]:
    """Return what a side needs and is not installed."""
    return [] if redis_program() else ["redis-server"]


_STOCK: dict[str, Any] = {
    "broker_url": f"sqs://{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}@",
    "broker_transport_options": {
        "region": "us-east-1",
        "visibility_timeout": 3600,
        "polling_interval": 1,
        "wait_time_seconds": 15,
        "queue_name_prefix": "speed-",
    },
    "result_backend": f"dynamodb://@us-east-1/{_TABLE}",
}

_SETTINGS: dict[str, dict[str, Any]] = {
    "ours": {},
    "stock": _STOCK,
    "tuned": {
        **_STOCK,
        "broker_transport_options": {
            **_STOCK["broker_transport_options"],
            "polling_interval": 0.05,
        },
        "worker_prefetch_multiplier": 50,
    },
}


def _environment(settings: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    config = {"broker_connection_retry_on_startup": True, **settings}
    return {**os.environ, **variables, "BENCH_CONFIG": json.dumps(config)}


def _cloud_sample(cloud: Cloud) -> Sample:
    usage = cloud.usage()
    return Sample(
        seconds=usage.seconds,
        stored=usage.count("dynamodb.PutItem", _TABLE),
        requests=usage.by_operation(),
        dollars=usage.dollars,
        server_cpu_seconds=usage.cpu_seconds,
    )


@contextmanager
def _redis(latency_ms: float) -> Iterator[Servers]:
    program = redis_program()
    assert program is not None
    with ExitStack() as stack:
        url = stack.enter_context(redis_server(program))
        server = stack.enter_context(redis.Redis.from_url(url))
        port = urlsplit(url).port
        assert port is not None
        set_latency: Callable[[float], None] = lambda _: None  # noqa: E731
        if latency_ms:
            proxy = stack.enter_context(delay_proxy(port))
            url, set_latency = url.replace(f":{port}", f":{proxy.port}"), proxy.set_latency
        settings = {"broker_url": url, "result_backend": url}
        yield Servers(
            environment=_environment(settings, {}),
            sample=lambda: _redis_sample(server),
            set_latency=set_latency,
        )


def _redis_sample(server: Any) -> Sample:
    stats = server.info("commandstats")
    requests = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
    # What is asked here is none of the side's.
    requests.pop("info", None)
    return Sample(seconds=time.monotonic(), stored=requests.get(_STORED, 0), requests=requests)
