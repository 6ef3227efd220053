"""The request meter: what this process has asked of AWS, by operation, queue and table.

It counts attempts on the wire, retries included, and the units of each answer
(:mod:`celery_aws.aws.request_events` is how it hears of what goes through boto3). It costs a few
microseconds a request, and never a request: DynamoDB tells units for nothing. What a worker's pool
processes ask is counted in each of them, and read in the worker
(:mod:`celery_aws.aws.child_usage`).

AWS bills more or less than the attempts: S3 does not bill its own failures (5xx, "Billing for
Amazon S3 error responses"), DynamoDB bills units and not requests, and of SQS's failures the
pricing page says nothing. So requests are the most, and units, of answers that were no failure,
the least that is billed.
"""

import threading
from typing import Final

from celery_aws.aws.usage_ledger import UsageLedger, own_ledger
from celery_aws.core.metered_names import ANY, metered_name
from celery_aws.core.request_usage import RequestUsage, UsageRow
from celery_aws.process import PerProcess

#: Rows until a queue or table that is new goes into the row for any of them: a process may send
#: to thousands of queues. After that come as many as there are operations.
MOST_ROWS: Final = 256


class RequestMeter:
    """Counts requests and units; thread-safe.

    Args:
        ledger: where another process reads along.
    """

    def __init__(self, ledger: UsageLedger | None = None) -> None:
        self._rows: dict[tuple[str, str, str], _Row] = {}
        self._ledger = ledger
        self._lock = threading.Lock()

    def count(self, service: str, operation: str, resource: str = "") -> None:
        """Add one request, as it goes out on the wire.

        Args:
            service: botocore's service id in lower case: ``sqs``, ``dynamodb``.
            operation: AWS's name of it.
            resource: URL, ARN or name of the queue, table or bucket; empty if it is for none.
        """
        self._add(service, operation, resource, 1, 0.0)

    def add_units(self, service: str, operation: str, resource: str, units: float) -> None:
        """Add what one answered request is billed: requests of 64 KB, write or read units."""
        self._add(service, operation, resource, 0, units)

    def add(self, usage: RequestUsage) -> None:
        """Add what somebody else counted."""
        for row in usage.rows:
            self._add(row.service, row.operation, row.resource, row.requests, row.units)

    def counts(self) -> dict[tuple[str, str], int]:
        """Return a copy: requests by (service, operation)."""
        return {(row.service, row.operation): row.requests for row in self._by_operation()}

    def usage(self) -> RequestUsage:
        """Return all of it so far."""
        with self._lock:
            counted = [(key, row.requests, row.units) for key, row in self._rows.items()]
        rows = [
            UsageRow(
                service=key[0], operation=key[1], resource=key[2], requests=requests, units=units
            )
            for key, requests, units in sorted(counted)
        ]
        return RequestUsage(rows=tuple(rows))

    def _by_operation(self) -> tuple[UsageRow, ...]:
        return self.usage().by_operation().rows

    def _add(
        self, service: str, operation: str, resource: str, requests: int, units: float
    ) -> None:
        key = service, operation, metered_name(resource)
        with self._lock:
            row = self._rows.get(key) or self._new_row(key)
            row.requests += requests
            row.units += units
            if row.place is not None and self._ledger is not None:
                self._ledger.write(row.place, row.requests, row.units)

    def _new_row(self, key: tuple[str, str, str]) -> "_Row":
        if len(self._rows) >= MOST_ROWS:
            key = (*key[:2], ANY)
            if key in self._rows:
                return self._rows[key]
        place = None if self._ledger is None else self._ledger.add_row(key)
        row = self._rows[key] = _Row(place)
        return row


class _Row:
    __slots__ = ("place", "requests", "units")

    def __init__(self, place: int | None) -> None:
        self.requests = 0
        self.units = 0.0
        self.place = place


_meter: PerProcess[str, RequestMeter] = PerProcess()


def process_meter() -> RequestMeter:
    """Return the meter of this process; a forked child starts at zero."""
    return _meter.get("meter", _new_meter)


def request_counts() -> dict[str, int]:
    """Return the AWS requests that this process has made so far.

    Returns:
        Requests by ``service.Operation``, such as ``{"sqs.SendMessage": 3}``, retries
        included; the service is botocore's service id. Costs no request.
    """
    counts = process_meter().counts()
    return {f"{service}.{operation}": n for (service, operation), n in sorted(counts.items())}


def request_usage() -> RequestUsage:
    """Return what this process has asked of AWS so far, and what that is billed.

    Of a worker's pool processes see :func:`celery_aws.children_usage`. Costs no request.
    """
    return process_meter().usage()


def _new_meter() -> RequestMeter:
    return RequestMeter(own_ledger())
