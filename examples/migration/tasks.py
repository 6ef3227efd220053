"""The shop's tasks. Each writes into the ledger when it starts and when it ends.

All are acknowledged late: what a killed worker was running runs again.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Task, shared_task

from examples.migration.ledger import Ledger


@contextmanager
def written_down(task: Task) -> Iterator[None]:
    """Write down that a try of a task starts, and that it ends, well or not."""
    ledger = Ledger(os.environ["SHOP_LEDGER"])
    run, request = os.urandom(6).hex(), task.request
    worker = str(request.hostname)
    ledger.write(
        event="started", task_id=request.id, retries=request.retries, run=run, worker=worker
    )
    try:
        yield
    finally:
        ledger.write(event="ended", run=run)


@shared_task(bind=True, acks_late=True)
def add(self: Any, *numbers: float) -> float:
    with written_down(self):
        return sum(numbers)


@shared_task(bind=True, acks_late=True)
def total(self: Any, numbers: list[float], *more: float) -> float:
    with written_down(self):
        return sum(numbers) + sum(more)


@shared_task(bind=True, acks_late=True)
def told(self: Any, number: int, texts: list[str]) -> int:
    """Return how many letters it was told, so many times."""
    with written_down(self):
        return number * sum(map(len, texts))


@shared_task(bind=True, acks_late=True)
def slow(self: Any, seconds: float, answer: Any = None) -> Any:
    with written_down(self):
        time.sleep(seconds)
        return answer


@shared_task(bind=True, acks_late=True, max_retries=None)
def flaky(self: Any, failures: int, answer: Any = None) -> Any:
    """Fail so often before it succeeds."""
    with written_down(self):
        if self.request.retries < failures:
            raise self.retry(countdown=1)
        return answer


@shared_task(bind=True, acks_late=True)
def declined(self: Any, order: int) -> None:
    with written_down(self):
        raise ValueError(f"the card of order {order} was declined")
