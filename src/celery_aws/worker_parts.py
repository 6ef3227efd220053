"""What runs in every worker beside its transport: by name, and loaded when one begins.

The layers above the broker are named here and not imported, so that neither a web process nor a
client pays for them, and the broker does not depend on them.
"""

import logging
from importlib import import_module
from typing import Any

logger = logging.getLogger(__name__)

#: Modules with a function ``start(worker, options)``: the worker as
#: :class:`celery_aws.broker.worker_view.WorkerView`, and its ``broker_transport_options`` as
#: :class:`celery_aws.config.broker.BrokerOptions`. It is called once for each worker, in its main
#: thread, before the first connection; what it starts ends with the process.
WORKER_PARTS = (
    "celery_aws.health.watching",
    "celery_aws.metrics.worker",
    "celery_aws.cost.recording",
)


def start_worker_parts(worker: Any, options: Any) -> None:
    """Start each of them; one that fails is logged, and keeps no worker from its tasks."""
    for name in WORKER_PARTS:
        _start(name, worker, options)


def _start(name: str, worker: Any, options: Any) -> None:
    try:
        import_module(name).start(worker, options)
    except Exception:
        logger.critical("%s does not run in this worker", name, exc_info=True)
