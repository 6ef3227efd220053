"""The metrics of a worker, shown to whoever the settings name; nothing runs where they name nobody.

Runs in the worker's main process, from before its first connection to the end of the process.
"""

import atexit
import logging
import os
from collections.abc import Callable
from typing import Any

from celery_aws.background import BackgroundThread
from celery_aws.broker.worker_view import WorkerView
from celery_aws.config.broker import BrokerOptions
from celery_aws.errors import ConfigurationError
from celery_aws.health.http import HttpEndpoint, serve
from celery_aws.metrics.bounded_names import BoundedNames
from celery_aws.metrics.emf import EmfFormat
from celery_aws.metrics.emf_writer import EmfWriter, line_writer
from celery_aws.metrics.process_source import DeliverySource, UsageSource
from celery_aws.metrics.samples import Sources
from celery_aws.metrics.settings import MetricsSettings, metrics_settings
from celery_aws.metrics.snapshot import Snapshot
from celery_aws.metrics.tally import Tally
from celery_aws.metrics.task_observer import TaskObserver
from celery_aws.metrics.worker_source import WorkerSource
from celery_aws.names import TableName
from celery_aws.results import our_settings

logger = logging.getLogger(__name__)

#: Where the page for Prometheus is.
PATH = "/metrics"

#: Seconds for the last documents of a worker that ends.
LAST_DOCUMENTS_SECONDS = 2.0


class WorkerMetrics:
    """The metrics of this process's worker.

    Args:
        worker: it.
        settings: who is shown them.
    """

    def __init__(self, worker: WorkerView, settings: MetricsSettings) -> None:
        self._settings = settings
        tally = Tally()
        self.observer = TaskObserver(tally, BoundedNames(worker.queues))
        self._source = Sources(
            [
                tally,
                WorkerSource(worker),
                DeliverySource(),
                UsageSource(results_table(worker.app)),
            ]
        )
        self.snapshot = Snapshot(self._source)
        #: For Prometheus alone; None if there is none.
        self.endpoint: HttpEndpoint | None = None
        self._threads: list[BackgroundThread] = []

    def start(self) -> None:
        """Begin to count, and to show. What cannot be shown is logged; the worker works on."""
        self.observer.connect()
        self.snapshot.take()
        self.snapshot.start()
        self._threads.append(self.snapshot)
        atexit.register(self.stop)
        for show in (self._show_prometheus, self._show_emf, self._show_opentelemetry):
            _try(show)

    def stop(self) -> None:
        """End what writes, with the last of what there was to count."""
        for thread in self._threads:
            thread.stop(LAST_DOCUMENTS_SECONDS)
        if self.endpoint is not None:
            self.endpoint.stop()

    def _show_prometheus(self) -> None:
        if self._settings.port is None:
            return
        # Only here: it needs an extra.
        from celery_aws.metrics.prometheus import Page  # noqa: PLC0415

        pages = {PATH: Page(self.snapshot)}
        if self._settings.port == self._settings.health_port:
            serve(pages)
            return
        # Not on the endpoint for probes as well: others may reach that, and names of tasks are not
        # for them.
        endpoint = HttpEndpoint(self._settings.address, self._settings.port, pages)
        endpoint.start()
        self.endpoint = endpoint
        logger.info("metrics at http://%s:%s%s", endpoint.address, endpoint.port, PATH)

    def _show_emf(self) -> None:
        if self._settings.emf is None:
            return
        writer = EmfWriter(
            self._source,
            line_writer(self._settings.emf),
            form=EmfFormat(),
            every_seconds=self._settings.emf_seconds,
        )
        writer.start()
        self._threads.append(writer)

    def _show_opentelemetry(self) -> None:
        if self._settings.opentelemetry:
            from celery_aws.metrics.opentelemetry import observe  # noqa: PLC0415

            observe(self.snapshot)


def start(worker: WorkerView, options: BrokerOptions) -> None:
    """Show the metrics of a worker until its process ends, if anybody is to be shown them.

    Args:
        worker: a worker of this process.
        options: of its broker.

    Raises:
        ConfigurationError: a variable of the environment makes no sense.
    """
    settings = metrics_settings(options, os.environ)
    if settings.anybody:
        WorkerMetrics(worker, settings).start()


def results_table(app: Any) -> TableName | None:
    """Return where an app stores results, or None if that is not DynamoDB by this package."""
    settings = our_settings(app)
    return None if settings is None else settings.table


def _try(show: Callable[[], None]) -> None:
    try:
        show()
    except (ConfigurationError, OSError) as error:
        logger.error("the worker's metrics are not shown: %s", error)  # noqa: TRY400
