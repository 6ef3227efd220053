"""Whether `cost compare` tells beforehand what the cloud counts: 10,000 tasks, and each kind alone.

Noop tasks with stored results on the cloud of the benchmarks, and a worker with two processes:
tasks that groups have sent and that wait with others, and tasks that come alone, each a while after
the one before. The estimate comes from a workload that says no more than that; the units that AWS
would bill must be within a tenth of it.
``python -m bench.cost --help``.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.cloud import Cloud
from bench.cloud.usage import CloudUsage
from bench.speed.client import Client, running_client
from bench.speed.sides import forget_environment
from bench.waiting import until_stored
from celery_aws.core.request_usage import RequestUsage, UsageRow
from celery_aws.cost.queue_broker import QueueKind, queue_items
from celery_aws.cost.result_stores import table_items
from celery_aws.cost.usage_items import by_price_and_resource
from celery_aws.cost.workload import Workload
from celery_aws.testing import WorkerProcess

_ROOT = Path(__file__).parent.parent
_APP = "bench.speed.tasks"
_TABLE = "cost-results"

#: How long an acknowledgement waits for others: ten times the default, because a machine that is
#: busy with something else does less than ten tasks in 50 ms, and that is not what is compared.
_LINGER_SECONDS = 0.5

#: Between two tasks that come alone.
_APART_SECONDS = 0.6

#: Of the estimate.
MOST_OFF = 0.10

#: What is compared: the keys of prices.
UNITS = ("sqs.standard", "dynamodb.write")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """An estimate, and what was counted.

    Attributes:
        name: how tasks were sent.
        key: of the price.
        estimated: units.
        counted: the same.
    """

    name: str
    key: str
    estimated: float
    counted: float

    @property
    def off(self) -> float:
        """By which part of what was counted the estimate is off."""
        return self.estimated / self.counted - 1


def measured(*, batched: int, alone: int) -> Iterator[Compared]:
    """Run tasks of both kinds, and yield how far estimates are from what was counted.

    Args:
        batched: tasks that groups send, before a worker comes for them.
        alone: tasks that are sent a while after each other.
    """
    with ExitStack() as stack:
        cloud = stack.enter_context(Cloud())
        options = {"broker_transport_options": {"ack_linger_seconds": _LINGER_SECONDS}}
        variables = cloud.environment(table=_TABLE)
        environment = {**os.environ, **variables, "BENCH_CONFIG": json.dumps(options)}
        client = stack.enter_context(running_client(environment))
        worker = WorkerProcess(
            _APP, queues=("celery",), environment=environment, directory=_ROOT, log_level="WARNING"
        )
        stack.callback(worker.kill)
        client.prepare()
        together = _together(cloud, client, worker, batched)
        yield from _compared("together", together, batched, 1.0)
        yield from _compared("alone", _alone(cloud, client, alone), alone, 0.0)


def table(found: Sequence[Compared]) -> Iterator[str]:
    """Return the lines of a table."""
    yield "| tasks sent | billed as | estimated | counted | off |"
    yield "|---|---|---|---|---|"
    for each in found:
        yield (
            f"| {each.name} | `{each.key}` | {each.estimated:,.0f} | {each.counted:,.0f} "
            f"| {each.off:+.1%} |"
        )


def _together(cloud: Cloud, client: Client, worker: WorkerProcess, count: int) -> CloudUsage:
    before = cloud.usage()
    client.fill(count)
    worker.launch()
    worker.wait_until_ready()
    until_stored(lambda: _stored(cloud), count)
    return cloud.usage().since(before)


def _alone(cloud: Cloud, client: Client, count: int) -> CloudUsage:
    # What acknowledges the last of the others shall not be counted.
    time.sleep(_APART_SECONDS)
    before, stored = cloud.usage(), _stored(cloud)
    for number in range(count):
        client.single(1)
        until_stored(lambda: _stored(cloud), stored + number + 1)
        # Longer than an acknowledgement waits for others.
        time.sleep(_APART_SECONDS)
    return cloud.usage().since(before)


def _compared(name: str, used: CloudUsage, tasks: int, batched: float) -> Iterator[Compared]:
    workload = Workload(
        tasks=tasks,
        batched_share=batched,
        payload_bytes=0,
        workers=1,
        hours=used.seconds / 3_600,
        # Messages are there all the time.
        idle_share=0,
        result_reads=0,
    )
    estimated: Counter[str] = Counter()
    for item in (*queue_items(workload, QueueKind.STANDARD), *table_items(workload)):
        estimated[item.price_key] += item.quantity.amount  # type: ignore[assignment]
    counted = _counted(used)
    for key in UNITS:
        yield Compared(name=name, key=key, estimated=estimated[key], counted=counted[key])


def _counted(used: CloudUsage) -> Counter[str]:
    rows = []
    for (operation, resource), units in used.units.items():
        service, _, name = operation.partition(".")
        rows.append(
            UsageRow(service=service, operation=name, resource=resource, requests=1, units=units)
        )
    found: Counter[str] = Counter()
    for (key, _), units in by_price_and_resource(RequestUsage(rows=tuple(rows))).items():
        found[key] += units
    return found


def _stored(cloud: Cloud) -> int:
    return cloud.usage().count("dynamodb.PutItem", _TABLE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and whether every estimate is near enough."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.cost")
    parser.add_argument("--tasks", type=int, default=10_000, help="that groups send")
    parser.add_argument("--alone", type=int, default=50, help="that come alone")
    asked = parser.parse_args(arguments)
    forget_environment()
    found = list(measured(batched=asked.tasks, alone=asked.alone))
    print("\n".join(table(found)))
    near = all(abs(each.off) <= MOST_OFF for each in found)
    print(f"{'met' if near else 'NOT MET'}: within {MOST_OFF:.0%}")


if __name__ == "__main__":
    main()
