"""The app of the worker whose results are read; its configuration comes as JSON."""

import json
import os
import time
from typing import Any

from celery import Celery

app: Any = Celery("results")
app.conf.update(json.loads(os.environ["BENCH_CONFIG"]))


@app.task(name="results.echo")
def echo(value: Any) -> Any:
    """Return the value."""
    return value


@app.task(name="results.total")
def total(values: Any) -> Any:
    """Return the sum of what a header has returned."""
    return sum(values)


@app.task(name="results.ended")
def ended(seconds: float) -> float:
    """Take so long; return when it was over, by the clock that all processes share (Linux)."""
    time.sleep(seconds)
    return time.monotonic()
