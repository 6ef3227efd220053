"""The app of clients and workers of every side; its configuration comes as JSON."""

import json
import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready

app: Any = Celery("speed")
app.conf.update(json.loads(os.environ["BENCH_CONFIG"]))


@app.task(name="speed.noop")
def noop() -> None:
    """Do nothing: what is left is what a task costs; its result is stored."""


@worker_ready.connect(weak=False)
def say_so(**_: Any) -> None:
    """Say that the worker consumes: its own words are not logged at this level."""
    print("It is ready.")
