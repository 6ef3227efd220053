"""How fast a migration moves messages and copies results, and what a second one does.

Redis and the benchmark's cloud (:mod:`bench.cloud`) are on this machine, and the command is a
process of its own, as an operator starts it. Its second run finds nothing to do: what that takes is
the start of the command, and is taken off the first. ``python -m bench.migration --help``.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import Celery

from bench.cloud import Cloud
from bench.redis_server import redis_program, redis_server

_ROOT = Path(__file__).parent.parent
_STAGES = "examples.migration.stages"

#: Arguments of each task, so that a message is 1 KB or so, as most are.
_ARGUMENT_CHARACTERS = 200

_HEADINGS = ("of each", "threads", "a second", "by thread", "CPU ms", "requests", "done again")


@dataclass(frozen=True, kw_only=True)
class Took:
    """What one run of the command took.

    Attributes:
        seconds: on the clock.
        cpu_seconds: of its process.
        requests: that the cloud answered.
        report: what it printed.
    """

    seconds: float
    cpu_seconds: float
    requests: int
    report: Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.migration")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--results", type=int, default=10_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 4])
    asked = parser.parse_args(arguments)
    program = redis_program()
    if program is None:
        raise SystemExit("redis-server is not installed")
    print(f"| {' | '.join(_HEADINGS)} |")
    print("|---|---|---|---|---|---|---|")
    for threads in asked.threads:
        with redis_server(program) as url:
            _measure("message", asked.messages, threads, url, "--no-results")
        with redis_server(program) as url:
            _measure("result", asked.results, threads, url, "--only-results")


def _measure(what: str, count: int, threads: int, url: str, option: str) -> None:
    with Cloud() as cloud, tempfile.TemporaryDirectory() as folder:
        variables = _variables(cloud, url)
        _publish(url, count) if what == "message" else _store(url, count)
        command = [sys.executable, "-m", "celery", "-A", "examples.migration.app", "aws", "migrate"]
        command += ["run", "--yes", "--json", "--from-config", f"{_STAGES}.before", option]
        command += ["--threads", str(threads), "--journal", f"{folder}/journal.sqlite"]
        first, second = (_run(command, variables, cloud) for _ in range(2))
    seconds = first.seconds - second.seconds
    cpu_ms = 1_000 * (first.cpu_seconds - second.cpu_seconds) / count
    requests = (first.requests - second.requests) / count
    rate = count / seconds
    cells = (f"{rate:,.0f}", f"{rate / threads:,.0f}", f"{cpu_ms:.2f}", f"{requests:.2f}")
    again = _moved(second.report, what)
    print(f"| {count:,} {what}s | {threads} | {' | '.join(cells)} | {again} |", flush=True)


def _moved(report: Mapping[str, Any], what: str) -> int:
    if what == "result":
        return int(report["results"]["copied"])
    return int(report["messages"]["sent"] + report["messages"]["parked"])


def _run(command: Sequence[str], variables: Mapping[str, str], cloud: Cloud) -> Took:
    before, cpu_before = sum(cloud.counts().values()), _cpu_seconds()
    started = time.monotonic()
    ended = subprocess.run(
        command,
        cwd=_ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - started
    if ended.returncode != 0:
        raise SystemExit(ended.stdout + ended.stderr)
    return Took(
        seconds=seconds,
        cpu_seconds=_cpu_seconds() - cpu_before,
        requests=sum(cloud.counts().values()) - before,
        report=json.loads(ended.stdout),
    )


def _publish(url: str, count: int) -> None:
    app = _old_app(url)
    text = "x" * _ARGUMENT_CHARACTERS
    with app.producer_pool.acquire() as producer:
        for number in range(count):
            app.send_task("examples.migration.tasks.told", (number, [text]), producer=producer)
    app.close()


def _store(url: str, count: int) -> None:
    app = _old_app(url)
    for number in range(count):
        app.backend.store_result(f"task-{number}", "x" * _ARGUMENT_CHARACTERS, "SUCCESS")
    app.close()


def _old_app(url: str) -> Any:
    os.environ["SHOP_REDIS"] = url
    app = Celery("bench", set_as_current=False)
    app.config_from_object(f"{_STAGES}.before", force=True)
    app.conf.update(broker_url=url, result_backend=url)
    return app


def _variables(cloud: Cloud, url: str) -> dict[str, str]:
    variables = cloud.environment()
    del variables["CELERY_BROKER_URL"], variables["CELERY_RESULT_BACKEND"]
    return {**variables, "SHOP_REDIS": url, "SHOP_SETTINGS": f"{_STAGES}.aws"}


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
