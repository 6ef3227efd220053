"""Who else is told of a worker that is ready: what is for operators, in layers above this one.

By name, because nothing here may import from there; and imported only by a worker.
"""

import logging
from importlib import import_module
from typing import Any, Final

from celery_aws.config.broker import BrokerOptions

logger = logging.getLogger(__name__)

#: Modules with a function ``worker_ready(consumer, options)``.
OBSERVERS: Final = ("celery_aws.metrics.worker",)


def tell_observers(consumer: Any, options: BrokerOptions) -> None:
    """Tell all of them, at each connection of the worker; what one of them cannot do is logged.

    Args:
        consumer: Celery's.
        options: of the broker that it consumes from.
    """
    for name in OBSERVERS:
        _tell(name, consumer, options)


def _tell(name: str, consumer: Any, options: BrokerOptions) -> None:
    try:
        import_module(name).worker_ready(consumer, options)
    except Exception:
        # Whoever watches a worker must not keep it from its tasks.
        logger.exception("%s does not observe this worker", name)
