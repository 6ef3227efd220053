"""What a million etas cost: delayed by SQS, parked, and as Celery's own transport does it.

Counts the requests and units of the real schedule and mover on in-memory doubles; nothing is timed,
and nothing is asked of AWS. ``python -m bench.schedule --help``.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace

from bench import prices
from bench.parking import Load, idle_month, parked_and_moved
from bench.usage import Usage
from celery_aws.core.schedule import BUCKET_SECONDS, FIFO, LANES, STANDARD, markers_partition
from celery_aws.limits import SQS_DELAY_SECONDS_MAX, SQS_VISIBILITY_TIMEOUT_SECONDS_MAX

DAY = 86_400
HOUR = 3_600
MILLION = 1_000_000

#: Requests of a message after it was sent, if it is received and deleted alone; in a busy queue
#: they are 0.2 (ten at a time).
RECEIVE_AND_DELETE = 2.0

#: Etas of the stock transport, whose workers hold every task: when it is due, and the visibility
#: timeout after which another worker, or the same, receives it and holds it as well. 1,800 s is its
#: default, 12 hours the most. What is due after the queue's retention is lost.
STOCK = (
    ("1 hour", HOUR, 1_800),
    ("1 day", DAY, 1_800),
    ("1 day", DAY, SQS_VISIBILITY_TIMEOUT_SECONDS_MAX),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.schedule")
    parser.add_argument("--tasks", type=int, default=100_000, help="an hour, in the dense loads")
    parser.add_argument("--burst", type=int, default=100_000, help="tasks for one minute")
    asked = parser.parse_args(arguments)
    _print_tasks(asked.tasks)
    _print_idle()
    _print_partitions(asked.burst)


def loads(tasks: int) -> dict[str, Load]:
    """Return what is parked, by name."""
    hour = Load(tasks=tasks, due_seconds=lambda n: DAY + n * HOUR / tasks, lane=STANDARD)
    sparse = replace(hour, tasks=288, due_seconds=lambda n: DAY + n * BUCKET_SECONDS)
    fifo = replace(hour, lane=FIFO)
    return {
        f"parked, {tasks:,} an hour": hour,
        f"parked, {tasks:,} an hour, by 10 processes": replace(hour, publishers=10),
        f"parked, {tasks:,} an hour, 4 KB of arguments": replace(hour, argument_bytes=4_096),
        "parked, 1,000 an hour": replace(
            hour, tasks=1_000, due_seconds=lambda n: DAY + n * HOUR / 1_000
        ),
        "parked, one in five minutes": sparse,
        f"FIFO, {tasks:,} an hour": fifo,
        "FIFO, 1,000 an hour": replace(
            fifo, tasks=1_000, due_seconds=lambda n: DAY + n * HOUR / 1_000
        ),
        "FIFO, one in five minutes": replace(
            fifo, tasks=288, due_seconds=lambda n: DAY + n * BUCKET_SECONDS
        ),
    }


def _print_tasks(tasks: int) -> None:
    print("| per million tasks | write units | read units | SQS requests | $ |")
    print("|---|---|---|---|---|")
    for name, load in loads(tasks).items():
        used = parked_and_moved(load)
        per_million = MILLION / used.tasks
        _print_row(
            name,
            write_units=used.write_units * per_million,
            read_units=used.read_units * per_million,
            sqs_requests=used.sqs_requests * per_million + RECEIVE_AND_DELETE * MILLION,
            price=prices.SQS_FIFO_REQUESTS if load.lane is FIFO else prices.SQS_REQUESTS,
        )
    _print_row("DelaySeconds (up to 900 s)", sqs_requests=3 * MILLION)
    for name, seconds in (("1 hour", HOUR), ("1 day", DAY), ("20 days", 20 * DAY)):
        hops = math.ceil(seconds / SQS_DELAY_SECONDS_MAX)
        _print_row(f"without a table, {name}", sqs_requests=3 * hops * MILLION)
    for name, seconds, visibility_seconds in STOCK:
        copies = math.ceil(seconds / visibility_seconds)
        _print_row(
            f"stock, {name}, visibility timeout {visibility_seconds:,} s: runs {copies} times",
            sqs_requests=(1 + 2 * copies) * MILLION,
        )


def _print_row(
    name: str,
    *,
    write_units: float = 0.0,
    read_units: float = 0.0,
    sqs_requests: float = 0.0,
    price: float = prices.SQS_REQUESTS,
) -> None:
    dollars = (
        write_units * prices.WRITE_UNITS + read_units * prices.READ_UNITS + sqs_requests * price
    ) / MILLION
    units = (write_units, read_units, sqs_requests)
    print(f"| {name} | {' | '.join(f'{each:,.0f}' for each in units)} | {dollars:.2f} |")


def _print_idle() -> None:
    print("\n| nothing to move, 30 days | write units | read units | $ |")
    print("|---|---|---|---|")
    for lane in LANES:
        for who, used in zip(("leader", "each other worker"), idle_month(lane), strict=True):
            dollars = (
                used.write_units * prices.WRITE_UNITS + used.read_units * prices.READ_UNITS
            ) / MILLION
            units = f"{used.write_units:,.0f} | {used.read_units:,.0f}"
            print(f"| {lane.name}, {who} | {units} | {dollars:.3f} |")


def _print_partitions(tasks: int) -> None:
    print(f"\n| {tasks:,} tasks for one minute | write units | hottest shard | marker writes |")
    print("|---|---|---|---|")
    for publishers in (1, 10, 1_000):
        load = Load(
            tasks=tasks,
            due_seconds=lambda n: DAY + 60 * n / tasks,
            lane=STANDARD,
            publishers=publishers,
            rate=min(100.0, 10_000 / publishers),
        )
        print(f"| parked by {publishers:,} | {_partitions(parked_and_moved(load))} |")


def _partitions(used: Usage) -> str:
    markers = used.written[markers_partition(STANDARD.name)]
    shards = max(n for key, n in used.written.items() if key.startswith("schedule#"))
    return f"{used.write_units:,.0f} | {shards / used.write_units:.1%} | {markers:,.0f}"


if __name__ == "__main__":
    main()
