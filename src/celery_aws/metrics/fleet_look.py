"""Looks at the workers of a deployment: who is registered, and who consumes which queue."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final

from celery_aws.metrics import catalog
from celery_aws.metrics.reader import Look
from celery_aws.metrics.samples import Sample
from celery_aws.table.bindings import Bindings

#: Seconds for the answers of workers.
INSPECT_SECONDS: Final = 3.0

#: How many other queues are remembered that have no workers any more; the latest ones.
MOST_LEFT: Final = 100


class RegistryLook:
    """Counts the workers' mailboxes in the coordination table, of which each worker has one.

    A worker without remote control has none. One that was killed is counted until its inbox is
    removed, some 20 minutes.

    Args:
        app: the Celery app.
        bindings: of the deployment.
    """

    def __init__(self, app: Any, bindings: Bindings) -> None:
        # kombu/pidbox.py: the exchange of a mailbox, and the queue of a node.
        namespace = app.control.mailbox.namespace
        self._exchange = f"{namespace}.pidbox"
        self._suffix = f".{namespace}.pidbox"
        self._bindings = bindings

    def __call__(self) -> Look:
        """Look once. Costs one Query for each MB of mailboxes, some thousands."""
        bound = self._bindings.of(self._exchange)
        workers = {each.queue for each in bound if each.queue.endswith(self._suffix)}
        return Look(samples=(Sample(catalog.REGISTERED_WORKERS, (), float(len(workers))),))


class FleetLook:
    """Asks workers which queues they consume, and how many tasks they run at once.

    Args:
        app: the Celery app.
        named: queues that are remembered in any case when they have no workers any more.

    Attributes:
        workers: how many consume each queue, as of the last look.
    """

    def __init__(self, app: Any, named: Collection[str] = ()) -> None:
        self._app = app
        self._named = named
        self.workers: Mapping[str, int] = {}

    def __call__(self) -> Look:
        """Look once. Costs two broadcasts: ``inspect active_queues`` and ``inspect stats``."""
        queues = self._inspect().active_queues() or {}
        stats = self._inspect().stats() or {}
        workers: Counter[str] = Counter()
        processes: Counter[str] = Counter()
        for node, consumed in queues.items():
            for queue in {each["name"] for each in consumed}:
                workers[queue] += 1
                processes[queue] += _slots(stats.get(node) or {})
        self.workers = {**dict.fromkeys(self._left(workers), 0), **workers}
        return Look(samples=tuple(_samples(workers, processes)))

    def _left(self, workers: Mapping[str, int]) -> list[str]:
        """Return the queues that had workers, and have none: they are the ones to see.

        Not each of them for ever: with ``worker_direct`` every worker has a queue of its own.
        """
        left = [queue for queue in self.workers if queue not in workers]
        others = [queue for queue in left if queue not in self._named]
        return [queue for queue in left if queue in self._named] + others[-MOST_LEFT:]

    def _inspect(self) -> Any:
        return self._app.control.inspect(timeout=INSPECT_SECONDS)


def _samples(workers: Mapping[str, int], processes: Mapping[str, int]) -> list[Sample]:
    return [
        Sample(metric, (queue,), float(number))
        for queue in workers
        for metric, number in (
            (catalog.ACTIVE_WORKER_COUNT, workers[queue]),
            (catalog.ACTIVE_CONSUMER_COUNT, workers[queue]),
            (catalog.ACTIVE_PROCESS_COUNT, processes.get(queue, 0)),
        )
    ]


def _slots(stats: Mapping[str, Any]) -> int:
    # Every pool of Celery's tells it (celery/concurrency, ``_get_info``).
    slots = (stats.get("pool") or {}).get("max-concurrency")
    return slots if isinstance(slots, int) else 1
