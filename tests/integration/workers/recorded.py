"""An app whose tasks write down when they are received, start and end; its configuration is JSON.

A line is one write at the end of the file, so that processes cannot mix theirs up and what a
killed process has written is whole. It never imports celery_aws.
"""

import json
import os
import time
from typing import Any

from celery import Celery
from celery.signals import task_received

app: Any = Celery("recorded")
app.conf.update(json.loads(os.environ["PROJ_CONFIG"]))


def write_down(event: str, task_id: str, run: str, *, redelivered: bool) -> None:
    """Append ``event task_id run worker pid monotonic_seconds redelivered``."""
    worker, pid = os.environ["PROJ_NAME"], os.getpid()
    line = f"{event} {task_id} {run} {worker} {pid} {time.monotonic():.6f} {int(redelivered)}\n"
    descriptor = os.open(
        os.environ["PROJ_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode=0o600
    )
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def is_redelivered(delivery_info: dict[str, Any] | None) -> bool:
    return bool((delivery_info or {}).get("redelivered"))


@task_received.connect
def on_received(request: Any, **_: Any) -> None:
    redelivered = is_redelivered(request.delivery_info)
    write_down("received", request.id, "-", redelivered=redelivered)


def work(self: Any, seconds: float) -> str:
    run = os.urandom(4).hex()
    redelivered = is_redelivered(self.request.delivery_info)
    write_down("started", self.request.id, run, redelivered=redelivered)
    time.sleep(seconds)
    write_down("ended", self.request.id, run, redelivered=redelivered)
    return run


app.task(name="recorded.late", bind=True, acks_late=True)(work)
app.task(name="recorded.early", bind=True, acks_late=False)(work)
# One every three seconds: the second of two is held in the worker.
app.task(name="recorded.limited", bind=True, acks_late=True, rate_limit="20/m")(work)
