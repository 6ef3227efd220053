"""How long four workers take to answer a ping, and what it costs; beside a Redis on loopback.

Each AWS request of clients and workers takes so many milliseconds longer than the local AWS does.
``python -m bench.control --help``.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from bench.control.fleet import NODES, Fleet, Usage
from bench.control.redis_fleet import redis_client
from bench.redis_server import redis_program
from celery_aws.local import LocalAws
from celery_aws.testing import Delay
from celery_aws.testing.fixtures import new_environment

#: What is asked of remote control: seconds to the last reply, and requests of both sides.
P95_SECONDS = 0.5
REQUESTS = 30


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Seconds to the last of four replies."""

    p50: float
    p95: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Return that of several pings."""
        cuts = quantiles(seconds, n=20, method="inclusive")
        return cls(p50=cuts[9], p95=cuts[18], most=max(seconds))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.control")
    parser.add_argument("--pings", type=int, default=50, help="of each kind")
    parser.add_argument("--delay-ms", type=float, default=10, help="added to each AWS request")
    asked = parser.parse_args(arguments)
    print("| ping of four workers, ms to the last reply | p50 | p95 | most |")
    print("|---|---|---|---|")
    usage: dict[str, Usage] = {}
    with LocalAws() as aws, Fleet(new_environment(aws)) as fleet:
        for proxy in fleet.proxies:
            proxy.switch_on(Delay(seconds=asked.delay_ms / 1_000))
        label = f"celery-aws, {asked.delay_ms:g} ms more a request"
        ours = _print_latencies(label, fleet.client.control, asked.pings)
        usage = {name: _usage(fleet, ping, asked.pings // 5) for name, ping in PINGS.items()}
    program = redis_program()
    if program is None:
        print("| Redis: redis-server is not installed | | | |")
    else:
        with redis_client(program) as client:
            theirs = _print_latencies("Redis on loopback", client.control, asked.pings)
        for name in PINGS:
            ratios = (ours[name].p50 / theirs[name].p50, ours[name].p95 / theirs[name].p95)
            print(f"| times as long as Redis, {name} | {ratios[0]:.1f} | {ratios[1]:.1f} | |")
    _print_usage(usage, asked.pings // 5)


def ping_named(control: Any) -> float:
    """Ping the four by name; return the seconds until it returns, with the last reply."""
    began = time.monotonic()
    replies = control.ping(destination=list(NODES))
    seconds = time.monotonic() - began
    _see_all(replies)
    return seconds


def ping_all(control: Any) -> float:
    """Ping everybody; return the seconds to the last reply: it returns a second after that."""
    began = last = time.monotonic()

    def note(_: Any) -> None:
        nonlocal last
        last = time.monotonic()

    _see_all(control.ping(callback=note))
    return last - began


PINGS: dict[str, Callable[[Any], float]] = {"by name": ping_named, "plain": ping_all}


def _see_all(replies: Any) -> None:
    nodes = {node for reply in replies for node in reply}
    if nodes != set(NODES):
        raise SystemExit(f"of four workers these answered: {sorted(nodes)}")


def _print_latencies(label: str, control: Any, pings: int) -> dict[str, Latency]:
    measured = {}
    for name, ping in PINGS.items():
        ping(control)  # the first makes connections
        measured[name] = latency = Latency.of([ping(control) for _ in range(pings)])
        cells = (f"{1_000 * each:.0f}" for each in (latency.p50, latency.p95, latency.most))
        print(f"| {label}, {name} | {' | '.join(cells)} |", flush=True)
    return measured


def _usage(fleet: Fleet, ping: Callable[[Any], float], pings: int) -> Usage:
    with fleet.counted() as usage:
        for _ in range(pings):
            ping(fleet.client.control)
    return usage


def _print_usage(usage: dict[str, Usage], pings: int) -> None:
    print("\n| AWS requests of a ping | client | workers | both |")
    print("|---|---|---|---|")
    for name, used in usage.items():
        client, fleet = used.client.total() / pings, used.fleet.total() / pings
        print(f"| {name} | {client:.1f} | {fleet:.1f} | {client + fleet:.1f} |")


if __name__ == "__main__":
    main()
