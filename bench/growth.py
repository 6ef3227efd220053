"""How what celery-aws costs grows: with tasks, with queues, with workers.

Noop tasks with stored results on the cloud of the benchmarks, workers with two processes each. What
a task costs must not depend on how many there are or how many workers do them; with more queues it
may grow along a straight line at most, because a receive is of one queue; and memory must stay as
it is: a leak of 100 bytes a task is 10 MB after 100,000. ``python -m bench.growth --help``.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.speed.client import Client, running_client
from bench.speed.processes import CpuSeconds, cpu_seconds, shared_out_bytes
from bench.speed.sides import Sample, Servers, forget_environment, servers
from celery_aws.testing import WorkerProcess

_ROOT = Path(__file__).parent.parent
_APP = "bench.speed.tasks"
_MEGABYTE = 1_000_000

#: Until workers have done a task more.
_STALL_SECONDS = 30.0
_LOOK_SECONDS = 0.02

#: Of the tasks, done before the measurement begins: caches are full, every process has worked.
_WARM_SHARE, _MOST_WARM_TASKS = 0.1, 1_000

#: A task of the largest run may cost so many times what one of the smallest does.
_MOST_TIMES = 1.25

#: What memory may grow by between the warm-up and the end of the longest run.
_MOST_GROWTH_MB = 10.0


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much work there is, and who does it."""

    tasks: int
    queues: int = 1
    workers: int = 1

    @property
    def queue_names(self) -> tuple[str, ...]:
        """Of all queues."""
        return tuple(f"growth-{number}" for number in range(self.queues))

    @property
    def warm_tasks(self) -> int:
        """Done before the measurement begins."""
        return min(_MOST_WARM_TASKS, round(self.tasks * _WARM_SHARE))


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a size has cost.

    Attributes:
        tasks_per_second: while they are published too.
        requests: for a task, those that send it included.
        cpu: seconds of the workers, for 1,000 tasks.
        memory_mb: of all workers, when they were warm.
        growth_mb: by what it was more at the end.
    """

    size: Size
    tasks_per_second: float
    requests: float
    cpu: float
    memory_mb: float
    growth_mb: float


def sizes(most_tasks: int) -> list[Size]:
    """Return what is measured: up to so many tasks, then queues and workers for a tenth of them."""
    tenth = most_tasks // 10
    return [
        *(Size(tasks=tasks) for tasks in (most_tasks // 100, tenth, most_tasks)),
        *(Size(tasks=tenth, queues=queues) for queues in (4, 16)),
        *(Size(tasks=tenth, workers=workers) for workers in (2, 4)),
    ]


def measured(size: Size) -> Cost:
    """Run one size."""
    with ExitStack() as stack:
        side = stack.enter_context(servers("ours", 0))
        client = stack.enter_context(running_client(side.environment))
        workers = [_worker(size, number, side) for number in range(size.workers)]
        for worker in workers:
            stack.callback(worker.kill)
        client.prepare()
        return _emptied(size, side, workers, client)


def table(costs: Sequence[Cost]) -> Iterator[str]:
    """Return the lines of a table."""
    yield "| tasks | queues | workers | tasks/s | requests a task | CPU s for 1,000 | MB | growth |"
    yield "|---|---|---|---|---|---|---|---|"
    for each in costs:
        yield (
            f"| {each.size.tasks:,} | {each.size.queues} | {each.size.workers} "
            f"| {each.tasks_per_second:,.0f} | {each.requests:.2f} | {each.cpu:.2f} "
            f"| {each.memory_mb:.0f} | {each.growth_mb:+.1f} |"
        )


def checks(costs: Sequence[Cost]) -> Iterator[tuple[str, bool]]:
    """Return what must be true, in words, and whether it is.

    Args:
        costs: of :func:`sizes`, in their order.
    """
    _, base, longest, four, sixteen, *_ = costs
    for figure in FIGURES:
        for each in costs:
            if each.size.queues == 1 and each is not base:
                yield _compared(figure, each, _of(base, figure) * _MOST_TIMES)
        slope = (_of(four, figure) - _of(base, figure)) / (four.size.queues - base.size.queues)
        line = _of(four, figure) + max(0.0, slope) * (sixteen.size.queues - four.size.queues)
        yield _compared(figure, sixteen, line * _MOST_TIMES)
    grown = longest.growth_mb
    yield (
        f"memory after {longest.size.tasks:,} tasks: {grown:+.1f} MB, at most {_MOST_GROWTH_MB:g}",
        grown <= _MOST_GROWTH_MB,
    )


#: What must not grow, by the name of it in :class:`Cost`.
FIGURES = {"requests": "requests a task", "cpu": "CPU s for 1,000 tasks"}


def _of(cost: Cost, figure: str) -> float:
    return float(getattr(cost, figure))


def _compared(figure: str, cost: Cost, most: float) -> tuple[str, bool]:
    size, found = cost.size, _of(cost, figure)
    where = f"{size.tasks:,} tasks, {size.queues} queues, {size.workers} workers"
    return f"{FIGURES[figure]}, {where}: {found:.2f}, at most {most:.2f}", found <= most


def _worker(size: Size, number: int, side: Servers) -> WorkerProcess:
    return WorkerProcess(
        _APP,
        queues=size.queue_names,
        name=f"growth-{number}@%h",
        environment=side.environment,
        directory=_ROOT,
        log_level="WARNING",
    )


def _emptied(size: Size, side: Servers, workers: Sequence[WorkerProcess], client: Client) -> Cost:
    for worker in workers:
        worker.launch()
    for worker in workers:
        worker.wait_until_ready()
    client.fill(size.warm_tasks, size.queue_names)
    begin = _when_stored(size.warm_tasks, side)
    cpu, memory = _cpu(workers), _memory(workers)
    client.fill(size.tasks - size.warm_tasks, size.queue_names)
    end = _when_stored(size.tasks, side)
    used, done = _cpu(workers) - cpu, end.since(begin)
    client.check()
    return Cost(
        size=size,
        tasks_per_second=done.stored / done.seconds,
        requests=sum(done.requests.values()) / done.stored,
        cpu=(used.parent + used.children) / done.stored * 1_000,
        memory_mb=memory,
        growth_mb=_memory(workers) - memory,
    )


def _when_stored(count: int, side: Servers) -> Sample:
    last = side.sample()
    changed_at = time.monotonic()
    while last.stored < count:
        time.sleep(_LOOK_SECONDS)
        found = side.sample()
        if found.stored > last.stored:
            changed_at = time.monotonic()
        elif time.monotonic() - changed_at > _STALL_SECONDS:
            raise RuntimeError(f"{found.stored} of {count} tasks done, and no more")
        last = found
    return last


def _cpu(workers: Sequence[WorkerProcess]) -> CpuSeconds:
    found = [cpu_seconds(each.pid, each.children()) for each in workers]
    return CpuSeconds(
        parent=sum(each.parent for each in found), children=sum(each.children for each in found)
    )


def _memory(workers: Sequence[WorkerProcess]) -> float:
    pids = [pid for each in workers for pid in (each.pid, *each.children())]
    return shared_out_bytes(pids) / _MEGABYTE


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and what must be true."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.growth")
    parser.add_argument("--tasks", type=int, default=100_000, help="of the longest run")
    asked = parser.parse_args(arguments)
    forget_environment()
    costs = []
    for size in sizes(asked.tasks):
        costs.append(measured(size))
        print(list(table(costs))[-1], file=sys.stderr, flush=True)
    print("\n".join(table(costs)))
    for words, true in checks(costs):
        print(f"{'met' if true else 'NOT MET'}: {words}")


if __name__ == "__main__":
    main()
