"""What a worker's main process can tell of the worker, beside its tasks and requests."""

from collections.abc import Iterable

from celery_aws.broker.worker_view import WorkerView
from celery_aws.metrics import catalog
from celery_aws.metrics.samples import Sample


class WorkerSource:
    """The worker of this process. Costs no request.

    Args:
        worker: it.
    """

    def __init__(self, worker: WorkerView) -> None:
        self._worker = worker

    def samples(self) -> Iterable[Sample]:
        """Return what is known now."""
        hostname = (self._worker.node,)
        slots = float(self._worker.slots)
        yield Sample(catalog.WORKER_UP, hostname, 1.0)
        yield Sample(catalog.WORKER_TASKS_ACTIVE, hostname, float(len(self._worker.running())))
        for queue in self._worker.queues():
            yield Sample(catalog.ACTIVE_WORKER_COUNT, (queue,), 1.0)
            yield Sample(catalog.ACTIVE_CONSUMER_COUNT, (queue,), 1.0)
            yield Sample(catalog.ACTIVE_PROCESS_COUNT, (queue,), slots)
