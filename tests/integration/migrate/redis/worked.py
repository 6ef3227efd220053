"""Tasks of the old app, for a real worker. ``OLD_BROKER`` names its broker."""

import os
import time

from celery import Celery

app = Celery("old", broker=os.environ["OLD_BROKER"], set_as_current=False)
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=4,
)


@app.task(name="old.sleep")
def sleep(seconds: float) -> None:
    time.sleep(seconds)
