"""What results ask of their store, and how long after a task's end its caller has them.

Ours, Celery's own DynamoDB backend and Redis, with our broker in all three, on a local AWS. Redis
is counted in commands, those inside its scripts included. ``python -m bench.results --help``.
"""

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from statistics import quantiles
from typing import Any

from celery import chord, group

from bench.redis_server import redis_program
from bench.results_sides import Side, on_redis, ours, stock
from bench.results_units import chord_units
from celery_aws.local import LocalAws
from celery_aws.testing.fixtures import AwsEnvironment, new_environment

#: Seconds that tasks take whose results are waited for, one after the other.
FAST_SECONDS = (0.0, 0.3)

_PATIENCE_SECONDS = 300.0

Load = Callable[[Any], None]
Run = Callable[[AwsEnvironment], AbstractContextManager[Side]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.results")
    parser.add_argument("--samples", type=int, default=50, help="of the latency")
    parser.add_argument("--large", type=int, default=1_000, help="header tasks of the large chord")
    asked = parser.parse_args(arguments)
    loads = {
        "100 tasks, results not read": tasks(100),
        "group(100), get() included": a_group(100),
        "chord(50), get() included": a_chord(50),
        f"chord({asked.large:,}), get() included": a_chord(asked.large),
    }
    latencies: dict[str, list[float]] = {}
    print("| requests to the store of results | in all | by operation |\n|---|---|---|")
    with LocalAws() as aws:
        for name, run in sides().items():
            with run(new_environment(aws)) as side:
                for what, load in loads.items():
                    _print_requests(f"{name}, {what}", side.spent(load))
                latencies[name] = [_late_seconds(side) for _ in range(asked.samples)]
    _print_latencies(latencies)
    _print_units((50, asked.large))


def sides() -> dict[str, Run]:
    """Return what is compared, by name."""
    compared: dict[str, Run] = {"celery-aws": ours, "Celery's own": stock}
    program = redis_program()
    if program is not None:
        compared["Redis"] = lambda aws: on_redis(aws, program)
    return compared


def tasks(count: int) -> Load:
    """Return a load of so many tasks whose results nobody reads."""

    def load(client: Any) -> None:
        for number in range(count):
            client.send_task("results.echo", (number,))

    return load


def a_group(size: int) -> Load:
    """Return a load of a group whose results are read together."""

    def load(client: Any) -> None:
        numbers = group(client.signature("results.echo", (n,)) for n in range(size))
        _see(numbers.delay().get(timeout=_PATIENCE_SECONDS), list(range(size)))

    return load


def a_chord(size: int) -> Load:
    """Return a load of a chord whose body's result is read."""

    def load(client: Any) -> None:
        header = [client.signature("results.echo", (n,)) for n in range(size)]
        result = chord(header, client.signature("results.total")).delay()
        _see(result.get(timeout=_PATIENCE_SECONDS), sum(range(size)))

    return load


def _see(found: object, expected: object) -> None:
    if found != expected:
        raise SystemExit(f"{found!r} is not what was expected")


def _late_seconds(side: Side) -> float:
    """Return how long after a task's end its result was there for who waits."""
    seconds = random.uniform(*FAST_SECONDS)
    result = side.client.send_task("results.ended", (seconds,))
    ended = float(result.get(timeout=_PATIENCE_SECONDS))
    return time.monotonic() - ended


def _print_requests(name: str, spent: Counter[str]) -> None:
    words = ", ".join(f"{operation} {n}" for operation, n in spent.most_common())
    print(f"| {name} | {spent.total():,} | {words} |", flush=True)


def _print_latencies(latencies: dict[str, list[float]]) -> None:
    print("\n| ms from a task's end to get() | p50 | p95 | most |\n|---|---|---|---|")
    for name, seconds in latencies.items():
        cuts = quantiles(seconds, n=20, method="inclusive")
        cells = (f"{1_000 * each:.0f}" for each in (cuts[9], cuts[18], max(seconds)))
        print(f"| {name} | {' | '.join(cells)} |")


def _print_units(sizes: Sequence[int]) -> None:
    print("\n| celery-aws, without get() | write units | read units |\n|---|---|---|")
    for size in sizes:
        used = chord_units(size)
        print(f"| chord({size:,}) | {used.write_units:,} | {used.read_units:,.0f} |")


if __name__ == "__main__":
    main()
