"""What a worker's main process can tell of the worker, beside its tasks and requests."""

import sys
from collections.abc import Iterable
from typing import Any

from celery_aws.metrics import catalog
from celery_aws.metrics.samples import Sample


class WorkerSource:
    """The worker of this process. Costs no request.

    Args:
        consumer: Celery's.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    def queues(self) -> list[str]:
        """Return the queues that it consumes now, by Celery's names."""
        # None while it connects.
        task_consumer = self._consumer.task_consumer
        return [] if task_consumer is None else [queue.name for queue in task_consumer.queues]

    def samples(self) -> Iterable[Sample]:
        """Return what is known now."""
        hostname = (self._consumer.hostname,)
        active = len(sys.modules["celery.worker.state"].active_requests)
        yield Sample(catalog.WORKER_UP, hostname, 1.0)
        yield Sample(catalog.WORKER_TASKS_ACTIVE, hostname, float(active))
        # A pool that was stopped has no processes to count.
        slots = getattr(self._consumer.pool, "num_processes", None) or 0
        for queue in self.queues():
            yield Sample(catalog.ACTIVE_WORKER_COUNT, (queue,), 1.0)
            yield Sample(catalog.ACTIVE_CONSUMER_COUNT, (queue,), 1.0)
            yield Sample(catalog.ACTIVE_PROCESS_COUNT, (queue,), float(slots))
