"""Which tasks the worker in this process knows: the one thing that the broker asks Celery.

Celery is never imported here: a process that consumes with kombu alone has no tasks. Facts:
celery/app/trace.py (``setup_worker_optimizations`` makes the worker's app the default one of its
process), celery/worker/consumer/consumer.py (``on_unknown_task`` rejects).
"""

import sys


def is_known_task(name: str | None) -> bool:
    """Tell whether this process knows the task ``name``.

    Without Celery in the process it is true: then whoever rejects a message has read it.
    """
    celery = sys.modules.get("celery")
    if celery is None:
        return True
    return name in celery.current_app.tasks
