"""What a deployment has to do in a month: the question that every bill answers.

Where nothing is known the defaults are the dearest for SQS: each task comes alone, so that it is
sent, received and deleted by a request of its own, and queues are polled to the end of every hour.
"""

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any, Final

from pydantic.dataclasses import dataclass

from celery_aws.config.fields import Flag, Text
from celery_aws.config.parsing import FORBID_EXTRA, parse_options
from celery_aws.core.prices import MONTH_HOURS
from celery_aws.cost.workload_fields import (
    Bytes,
    Days,
    Factor,
    Hours,
    Milliseconds,
    Monitors,
    NetworkPath,
    NetworkPathText,
    Priorities,
    Queues,
    Reads,
    Seconds,
    Share,
    Tasks,
    Workers,
    Zones,
)
from celery_aws.errors import ConfigurationError
from celery_aws.limits import SQS_MESSAGE_BYTES

#: Bytes of a task's headers and properties around its arguments, and the most that the
#: representation of the arguments among them takes. Measured: a task with one text argument of 0
#: to 65,000 characters, as this package sends it.
HEADERS_BYTES: Final = 917
REPRESENTATION_BYTES: Final = 1_024


def _of(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, kw_only=True, config=FORBID_EXTRA)
class Workload:
    """A month of a deployment; the metadata of each field says what it is."""

    tasks: Tasks = _of(0.0, "Tasks a month.")
    batched_share: Share = _of(0.0, "Share of tasks that groups, chunks or a batch send.")
    busy_share: Share | None = _of(
        None,
        "Share of tasks that wait with others when a worker comes for them, so that ten share a "
        "request. Default: those that are sent in batches.",
    )
    payload_bytes: Bytes = _of(200.0, "Bytes of a task's arguments as JSON.")
    results_share: Share = _of(1.0, "Share of tasks whose results are stored.")
    result_bytes: Bytes = _of(100.0, "Bytes of a result as JSON.")
    result_reads: Reads = _of(
        1.0, "Reads of each stored result, those included that came too early."
    )
    result_days: Days = _of(1.0, "Days for which results are kept.")
    task_seconds: Seconds = _of(1.0, "How long a task runs.")
    peak_factor: Factor = _of(
        20.0, "The busiest second over the average one; provisioned capacity is paid for it."
    )
    workers: Workers = _of(2.0, "Workers.")
    queues: Queues = _of(1.0, "Queues that each worker consumes.")
    priorities: Priorities = _of(1, "Priorities of each queue; on SQS each is a queue of its own.")
    hours: Hours = _of(MONTH_HOURS, "Hours a month that workers run.")
    idle_share: Share = _of(1.0, "Share of these hours in which queues are polled in vain.")
    broadcasts: Tasks = _of(0.0, "Tasks a month that go to every worker (Broadcast queues).")
    control: Flag = _of(True, "Remote control and events, as on Redis.")
    monitors: Monitors = _of(0.0, "Monitors that hear events, such as Flower.")
    exporter: Flag = _of(False, "The exporter of metrics runs.")
    region: Text = _of("us-east-1", "AWS region.")
    highly_available: Flag = _of(
        False, "No machine is alone: two nodes of ElastiCache, three of RabbitMQ, RDS in two zones."
    )
    node: Text = _of("cache.t4g.micro", "Size of ElastiCache's nodes.")
    network: NetworkPathText = _of(NetworkPath.PUBLIC, "How workers reach SQS.")
    zones: Zones = _of(2, "Availability zones, for endpoints and NAT gateways.")
    start_ms: Milliseconds | None = _of(
        None, "Within how many milliseconds a task shall start after it is sent, as a rule."
    )
    durable: Flag = _of(
        False, "A task that was accepted must never be lost with the broker's machine."
    )

    @property
    def busy(self) -> float:
        """Share of tasks of which ten share a request."""
        return self.batched_share if self.busy_share is None else self.busy_share

    @property
    def results(self) -> float:
        """Results that are stored in a month."""
        return float(self.tasks * self.results_share)

    @property
    def poller_hours(self) -> float:
        """Hours a month for which some worker polls one SQS queue in vain."""
        pollers: float = self.workers * self.queues * self.priorities
        return pollers * self.hours * self.idle_share

    @property
    def worker_hours(self) -> float:
        """Hours a month of all workers together."""
        return float(self.workers * self.hours)

    @property
    def message_bytes(self) -> float:
        """Bytes of a task's message as this package sends it."""
        shown = min(self.payload_bytes, REPRESENTATION_BYTES)
        return float(HEADERS_BYTES + shown + self.payload_bytes)

    @property
    def by_bucket(self) -> bool:
        """True if messages are larger than SQS takes: their bodies go through S3 then."""
        return self.message_bytes > SQS_MESSAGE_BYTES

    @property
    def queue_bytes(self) -> float:
        """Bytes of what this package sends to SQS for a task."""
        return float(HEADERS_BYTES) if self.by_bucket else self.message_bytes

    @property
    def stock_message_bytes(self) -> float:
        """The same as kombu's transport sends it: arguments are base64 within base64."""
        shown = min(self.payload_bytes, REPRESENTATION_BYTES)
        return float((HEADERS_BYTES + shown + self.payload_bytes * 4 / 3) * 4 / 3)


def parse_workload(raw: Mapping[str, Any], *, where: str) -> Workload:
    """Return the workload that a mapping describes.

    Args:
        raw: values by the names of the fields; ``-`` is as good as ``_``.
        where: the file or command line, for errors.

    Raises:
        ConfigurationError: an unknown name, or a value out of range; the nearest name is told.
    """
    named = {str(name).replace("-", "_"): value for name, value in raw.items()}
    if len(named) != len(raw):
        raise ConfigurationError(f"{where}: something is given twice", where=where)
    return parse_options(Workload, named, where=where)


def workload_fields() -> dict[str, str]:
    """Return the names of a workload's fields, and what they mean."""
    return {each.name: each.metadata["help"] for each in fields(Workload)}
