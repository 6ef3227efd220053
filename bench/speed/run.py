"""One run: a queue is filled, a worker starts and empties it."""

import time
from dataclasses import replace
from pathlib import Path

from bench.speed.client import Client, running_client
from bench.speed.measured import Measured, Published
from bench.speed.plan import Cell
from bench.speed.processes import CpuSeconds, cpu_seconds, shared_out_bytes
from bench.speed.sides import Sample, Servers, servers
from celery_aws.testing import WorkerProcess

_ROOT = Path(__file__).parent.parent.parent
_APP = "bench.speed.tasks"

#: Seconds between two looks at how many results are stored; at their end it is seen so late.
_LOOK_SECONDS = 0.025

#: Until a worker has done what warms it up.
_WARM_SECONDS = 60.0

_MEGABYTE = 1_000_000


def run(cell: Cell, number: int, *, most_seconds: float) -> Measured:
    """Measure one cell.

    Args:
        cell: what.
        number: of the round.
        most_seconds: after which the measurement is over, whatever is left in the queue.
    """
    with servers(cell.side, cell.latency_ms) as side, running_client(side.environment) as client:
        client.prepare()
        client.fill(cell.tasks)
        side.set_latency(cell.latency_ms)
        worker = WorkerProcess(
            _APP,
            pool=cell.pool.kind,
            concurrency=cell.pool.concurrency,
            environment=side.environment,
            directory=_ROOT,
            log_level="WARNING",
        )
        try:
            worker.launch()
            found = _emptied(cell, number, side, worker, most_seconds)
            client.check()
            trips = _round_trips(cell, client)
        finally:
            worker.kill()
        single, group = _published(cell, side, client)
    return replace(found, single=single, group=group, round_trips_ms=trips)


def _round_trips(cell: Cell, client: Client) -> tuple[float, ...]:
    if not cell.round_trips:
        return ()
    # The first one waits behind what a run that was cut off has left.
    _, *seconds = client.round_trips(1 + cell.round_trips)
    return tuple(1_000 * each for each in seconds)


def _emptied(
    cell: Cell, number: int, side: Servers, worker: WorkerProcess, most_seconds: float
) -> Measured:
    begin = _when_stored(cell.warm_tasks, side, worker, _WARM_SECONDS)
    if begin.stored < cell.warm_tasks:
        raise RuntimeError(f"{cell.name}: {begin.stored} tasks done.\n{worker.log[-4000:]}")
    cpu = _cpu(worker)
    end = _when_stored(cell.tasks, side, worker, most_seconds)
    used, done = _cpu(worker) - cpu, end.since(begin)
    if not done.stored:
        raise RuntimeError(f"{cell.name}: all of {begin.stored} tasks were done in one look.")
    memory = shared_out_bytes([worker.pid, *worker.children()])
    busy = done.server_cpu_seconds
    return Measured(
        side=cell.side,
        pool=cell.pool.name,
        latency_ms=cell.latency_ms,
        number=number,
        tasks=done.stored,
        tasks_per_second=done.stored / done.seconds,
        requests={name: n / done.stored for name, n in done.requests.items()},
        dollars=done.dollars / done.stored * 1_000_000,
        parent_cpu=used.parent / done.stored * 1_000,
        children_cpu=used.children / done.stored * 1_000,
        memory_mb=memory / _MEGABYTE,
        cloud_share=None if busy is None else busy / done.seconds,
    )


def _when_stored(count: int, side: Servers, worker: WorkerProcess, most_seconds: float) -> Sample:
    deadline = time.monotonic() + most_seconds
    while True:
        found = side.sample()
        if found.stored >= count or found.seconds > deadline or not worker.running:
            return found
        time.sleep(_LOOK_SECONDS)


def _cpu(worker: WorkerProcess) -> CpuSeconds:
    return cpu_seconds(worker.pid, worker.children())


def _published(
    cell: Cell, side: Servers, client: Client
) -> tuple[Published | None, Published | None]:
    if not cell.single:
        return None, None
    before = side.sample()
    single = client.single(cell.single)
    between = side.sample()
    group = client.group(cell.group)
    after = side.sample()
    return (
        _publishing(single, cell.single, between.since(before)),
        _publishing(group, cell.group, after.since(between)),
    )


def _publishing(took: dict[str, float], tasks: int, asked: Sample) -> Published:
    return Published(
        per_second=tasks / took["seconds"],
        cpu_milliseconds=took["cpu_seconds"] / tasks * 1_000,
        requests={name: n / tasks for name, n in asked.requests.items()},
        dollars=asked.dollars / tasks * 1_000_000,
    )
