"""What a worker tells of its requests to AWS: in ``inspect stats``, and in its log when it ends.

Names of operations, queues and tables, and numbers; see docs/reference/meter.md.
"""

import atexit
import logging
import os
from collections.abc import Callable
from typing import Any

from celery_aws.aws.child_usage import children_usage, follow_children
from celery_aws.aws.meter import request_usage
from celery_aws.process import PerProcess

logger = logging.getLogger(__name__)

#: The section of ``inspect stats``.
SECTION = "aws"


class UsageReport:
    """What is told of one process that may be a worker."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._worker_ran = False
        follow_children()
        # Now, so that what closes at the end of the process, which is in reverse, comes before.
        atexit.register(self.log)

    def worker_ready(self, controller: Any) -> None:
        """Add a section to the ``stats`` of a worker, and tell of it when the process ends."""
        self._worker_ran = True
        controller.stats = with_usage(controller.stats)

    def log(self) -> None:
        """Say in one line what the worker has asked for, if one ran and it asked for anything."""
        usage = request_usage() + children_usage()
        if self._worker_ran and self._pid == os.getpid() and usage.requests:
            logger.info("AWS requests: %s in all; %s", usage.requests, usage)


_reports: PerProcess[str, UsageReport] = PerProcess()


def usage_report() -> UsageReport:
    """Return this process's, which counts what it forks from now on."""
    return _reports.get("report", UsageReport)


def with_usage(stats: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Return Celery's ``stats`` with a section of ours; neither costs a request."""

    def stats_with_usage() -> dict[str, Any]:
        return {**stats(), SECTION: usage_section()}

    return stats_with_usage


def usage_section() -> dict[str, Any]:
    """Return what the worker's main process and those of its pool have asked of AWS so far.

    Returns:
        ``{"main": usage, "pool": usage}``, each as
        :meth:`celery_aws.RequestUsage.as_json` has it. Threads and greenlets are in the main
        process.
    """
    return {"main": request_usage().as_json(), "pool": children_usage().as_json()}
