"""Many processes of one project, forked from one that has imported all of it: to be killed.

``python crowd.py WORKERS MONITORS CLIENTS`` prints a line for each that is about to work, and ends
when it is killed. Workers are Celery's own, without a pool; monitors receive every event; clients
wait for the replies to an inspect.
"""

import os
import signal
import sys
from collections.abc import Callable

import celery.apps.worker
import celery.worker.components
import celery.worker.consumer.consumer  # noqa: F401
from proj import app  # type: ignore[import-not-found]

import celery_aws.broker  # noqa: F401


def work(number: int) -> None:
    app.Worker(hostname=f"crowd{number}@lab", pool_cls="solo", without_gossip=True).start()


def monitor(_: int) -> None:
    with app.connection_for_read() as connection:
        app.events.Receiver(connection, handlers={"*": lambda _: None}).capture(limit=None)


def ask(_: int) -> None:
    while True:
        app.control.inspect(timeout=60).ping()


def main(counts: list[int]) -> None:
    what: list[Callable[[int], None]] = [work, monitor, ask]
    for does, count in zip(what, counts, strict=True):
        for number in range(count):
            if os.fork() == 0:
                print(f"{does.__name__} {number} begins", flush=True)
                does(number)
                os._exit(1)
    while True:
        signal.pause()


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]])
