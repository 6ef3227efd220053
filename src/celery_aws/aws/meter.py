"""The request meter: every AWS request of this process, by service and operation.

It counts attempts on the wire, retries included, because that is what AWS bills. It hangs on
botocore's ``before-send`` event of the sessions that :mod:`celery_aws.aws.clients` makes, so
nothing that goes through them can be missed, and costs about a microsecond a request.
"""

import threading
from collections import Counter
from typing import Any

from celery_aws.process import PerProcess


class RequestMeter:
    """Counts requests; thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._units: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()

    def count(self, service: str, operation: str, resource: str = "") -> None:
        """Add one request, as it goes out on the wire.

        Args:
            service: botocore's service id in lower case: ``sqs``, ``dynamodb``.
            operation: AWS's name of it.
            resource: name of the queue or table that it is for; empty if it is for none.
        """
        with self._lock:
            self._counts[service, operation, resource] += 1

    def add_units(self, service: str, operation: str, resource: str, units: float) -> None:
        """Add what one answered request is billed: requests of 64 KB, write or read units."""
        with self._lock:
            self._units[service, operation, resource] += units  # type: ignore[assignment]

    def counts(self) -> dict[tuple[str, str], int]:
        """Return a copy: requests by (service, operation)."""
        total: Counter[tuple[str, str]] = Counter()
        with self._lock:
            for (service, operation, _), requests in self._counts.items():
                total[service, operation] += requests
        return dict(total)

    def on_before_send(self, event_name: str, **_: Any) -> None:
        """Count one request; botocore's handler for ``before-send.SERVICE.OPERATION``."""
        service, operation = event_name.split(".", 2)[1:]
        self.count(service, operation)


_meter: PerProcess[str, RequestMeter] = PerProcess()


def process_meter() -> RequestMeter:
    """Return the meter of this process; a forked child starts at zero."""
    return _meter.get("meter", RequestMeter)


def request_counts() -> dict[str, int]:
    """Return the AWS requests that this process has made so far.

    Returns:
        Requests by ``service.Operation``, such as ``{"sqs.SendMessage": 3}``, retries
        included; the service is botocore's service id. Costs no request.
    """
    counts = process_meter().counts()
    return {f"{service}.{operation}": n for (service, operation), n in sorted(counts.items())}
