"""A client in a process of its own: publishes, and waits for results, when told to.

Told by a line of JSON on standard input, and says on standard output what it took.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent.parent
_PATIENCE_SECONDS = 60.0

#: Before them, a client knows the queue, and its connections are open.
_WARM_UP_TASKS = 3

#: Tasks of a group, where many are published: their results are held until it is sent.
_GROUP = 1_000


class Client:
    """Tells the process what to do."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def prepare(self) -> None:
        """Make the results table, if there shall be one."""
        self._do("prepare")

    def fill(self, count: int, queues: Sequence[str] = ()) -> None:
        """Publish tasks as fast as it goes, to the default queue or to these in turns."""
        self._do("fill", count, *queues)

    def single(self, count: int) -> dict[str, float]:
        """Publish tasks one by one; return ``seconds`` and ``cpu_seconds``."""
        found: dict[str, float] = self._do("single", count)
        return found

    def group(self, count: int) -> dict[str, float]:
        """Publish a group of tasks; return ``seconds`` and ``cpu_seconds``."""
        found: dict[str, float] = self._do("group", count)
        return found

    def round_trips(self, count: int) -> list[float]:
        """Publish a task and wait for its result, again and again; return the seconds of each."""
        found: list[float] = self._do("round_trips", count)
        return found

    def check(self) -> None:
        """See that one of the tasks has ended well."""
        self._do("check")

    def _do(self, what: str, *arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the client has ended with {self._process.wait()}")
        return json.loads(line)


@contextmanager
def running_client(environment: Mapping[str, str]) -> Iterator[Client]:
    """Run a client beside the block, in this environment and no other."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.speed.client"],
        cwd=_ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Client(process)
        finally:
            process.kill()


class _Publisher:
    """What the process does."""

    def __init__(self) -> None:
        # Late: the other process has no configuration for it.
        from celery import group  # noqa: PLC0415

        from bench.speed import tasks  # noqa: PLC0415

        self._app, self._noop, self._group = tasks.app, tasks.noop, group
        self._sent: Any = None

    def prepare(self) -> None:
        backend = str(self._app.conf.result_backend or os.environ.get("CELERY_RESULT_BACKEND"))
        if backend.startswith("aws+"):
            from celery_aws import create_table  # noqa: PLC0415

            create_table(self._app)
        elif backend.startswith("dynamodb:"):
            # It makes its table when it is first asked for its client.
            assert self._app.backend.client

    def fill(self, count: int, *queues: str) -> None:
        for number in range(_WARM_UP_TASKS):
            self._noop.apply_async(**_to(queues, number))
        for begin in range(_WARM_UP_TASKS, count, _GROUP):
            numbers = range(begin, min(begin + _GROUP, count))
            sent = self._group(self._noop.si().set(**_to(queues, number)) for number in numbers)
            self._sent = sent.apply_async()[0]

    def single(self, count: int) -> dict[str, float]:
        def load() -> None:
            for _ in range(count):
                self._noop.apply_async()

        return _timed(load)

    def group(self, count: int) -> dict[str, float]:
        signatures = self._group(self._noop.si() for _ in range(count))
        return _timed(signatures.apply_async)

    def round_trips(self, count: int) -> list[float]:
        return [self._round_trip() for _ in range(count)]

    def check(self) -> None:
        self._sent.get(timeout=_PATIENCE_SECONDS)

    def _round_trip(self) -> float:
        began = time.perf_counter()
        self._noop.apply_async().get(timeout=_PATIENCE_SECONDS)
        return time.perf_counter() - began


def _to(queues: Sequence[str], number: int) -> dict[str, str]:
    return {"queue": queues[number % len(queues)]} if queues else {}


def _timed(load: Callable[[], object]) -> dict[str, float]:
    seconds, cpu_seconds = time.perf_counter(), time.process_time()
    load()
    return {
        "seconds": time.perf_counter() - seconds,
        "cpu_seconds": time.process_time() - cpu_seconds,
    }


def main() -> None:
    """Do as told until standard input ends."""
    publisher = _Publisher()
    # Whatever else prints would be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        print(json.dumps(getattr(publisher, what)(*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
