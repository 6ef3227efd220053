"""How many AWS requests the run took: every process writes its own count when it ends.

The meter counts per process, and a pool's children are processes of their own.
"""

import atexit
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from celery.signals import worker_process_shutdown

import celery_aws

CLIENT, WORKER, POOL = "client", "worker", "pool"
ROLES = (CLIENT, WORKER, POOL)

Counts = dict[str, Counter[str]]


def write_at_exit(folder: Path) -> None:
    """Make this worker, and each process of its pool, write its counts when it ends."""

    def write(role: str) -> None:
        path = folder / f"{role}-{os.getpid()}.json"
        path.write_text(json.dumps(celery_aws.request_counts()))

    def write_of_pool(**_: Any) -> None:
        write(POOL)

    # The pool's processes end without atexit; the worker still acknowledges messages after
    # worker_shutdown.
    worker_process_shutdown.connect(write_of_pool, weak=False)
    atexit.register(write, WORKER)


def read(folder: Path) -> Counts:
    """Return requests by role and operation: of this process, and of all that have written."""
    counts: Counts = {role: Counter() for role in ROLES}
    counts[CLIENT].update(celery_aws.request_counts())
    for path in folder.glob("*.json"):
        counts[path.name.partition("-")[0]].update(json.loads(path.read_text()))
    return counts
