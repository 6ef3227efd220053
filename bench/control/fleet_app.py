"""The app of the workers that remote control is tried on; its configuration comes as JSON."""

import json
import os
import time
from typing import Any

from celery import Celery

app: Any = Celery("fleet")
app.conf.update(json.loads(os.environ["FLEET_CONFIG"]))


@app.task(name="fleet.add")
def add(x: int, y: int) -> int:
    """Return a sum."""
    return x + y


@app.task(name="fleet.nap")
def nap(seconds: float) -> None:
    """Take so long."""
    time.sleep(seconds)
