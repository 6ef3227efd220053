"""The app ``proj`` with tasks for chords, which write down what they were called with.

A line is one write at the end of a file, so that processes cannot mix theirs up. It never imports
celery_aws.
"""

import json
import os
import signal
import time
from typing import Any

from celery import chain, chord, group
from proj import app  # type: ignore[import-not-found]  # the worker runs in this folder

__all__ = ["app"]


def write_down(what: str, task_id: str, name: str, value: Any = None) -> None:
    """Append one line of JSON."""
    line = json.dumps({"what": what, "task_id": task_id, "name": name, "value": value})
    descriptor = os.open(
        os.environ["PROJ_EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode=0o600
    )
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


@app.task(name="chorded.echo")
def echo(value: Any, seconds: float = 0.0) -> Any:
    time.sleep(seconds)
    return value


@app.task(name="chorded.late_echo", bind=True, acks_late=True)
def late_echo(self: Any, value: Any, name: str = "", seconds: float = 0.0) -> Any:
    """Return the value, and write down that it has run."""
    write_down("part", self.request.id, name, value)
    time.sleep(seconds)
    return value


@app.task(name="chorded.quiet_echo", ignore_result=True)
def quiet_echo(value: Any) -> Any:
    return value


@app.task(name="chorded.body", bind=True, acks_late=True)
def body(self: Any, values: Any, name: str) -> Any:
    """Return what the header returned, and write it down."""
    write_down("body", self.request.id, name, values)
    return values


@app.task(name="chorded.plus")
def plus(value: Any, more: Any) -> Any:
    return value + more


@app.task(name="chorded.total")
def total(values: Any) -> Any:
    return sum(values)


@app.task(name="chorded.errback")
def errback(request: Any, error: BaseException, traceback: Any, name: str) -> None:
    """Write down an error, and which one it came of."""
    write_down("errback", request.id, name, [repr(error), repr(error.__cause__)])


@app.task(name="chorded.fail")
def fail(why: str) -> None:
    raise LookupError(why)


@app.task(name="chorded.fail_after")
def fail_after(why: str, seconds: float) -> None:
    time.sleep(seconds)
    raise LookupError(why)


@app.task(name="chorded.retried", bind=True, acks_late=True, max_retries=3)
def retried(self: Any, value: Any) -> Any:
    """Return the value at the third try."""
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return value


@app.task(name="chorded.replaced", bind=True)
def replaced(self: Any, value: Any) -> Any:
    return self.replace(echo.s(value))


@app.task(name="chorded.replaced_by_group", bind=True)
def replaced_by_group(self: Any, values: Any) -> Any:
    return self.replace(group(echo.s(value) for value in values))


@app.task(name="chorded.replaced_by_chord", bind=True)
def replaced_by_chord(self: Any, values: Any) -> Any:
    return self.replace(chord([echo.s(value) for value in values], total.s()))


@app.task(name="chorded.adding", bind=True)
def adding(self: Any, value: Any, more: Any, seconds: float = 0.0) -> Any:
    """Add one more task to the chord that this one is in."""
    time.sleep(seconds)
    self.add_to_chord(echo.si(more))
    return value


@app.task(name="chorded.killed_once", bind=True, acks_late=True)
def killed_once(self: Any, value: Any) -> Any:
    """Kill the whole worker at the first delivery."""
    if not self.request.delivery_info["redelivered"]:
        os.killpg(os.getppid(), signal.SIGKILL)
    return value


@app.task(name="chorded.generated")
def generated(size: int, name: str) -> str:
    """Send a chord whose header is a generator, from a pool child; return its body's id."""
    header = (echo.s(number) for number in range(size))
    return str(chord(header)(body.s(name)).id)


@app.task(name="chorded.chained")
def chained(value: Any, name: str) -> str:
    """Send a chain with a chord in it, from a pool child; return its id."""
    header = group(plus.s(1), plus.s(2))
    return str(chain(echo.s(value), header, body.s(name)).delay().id)
