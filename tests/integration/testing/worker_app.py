"""An app for a worker that needs no broker."""

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import worker_ready

app = Celery("testing", broker="memory://", backend="cache+memory://")
app.conf.worker_enable_remote_control = False


@worker_ready.connect
def _note(sender: Any, **_: Any) -> None:
    if path := os.environ.get("NOTE"):
        Path(path).write_text(sender.hostname)
