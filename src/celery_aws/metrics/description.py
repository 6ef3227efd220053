"""What a metric is: its name, kind, unit, and what it is told apart by."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How the values of a metric are to be read."""

    #: Only grows while its process lives; wanted is how fast.
    COUNTER = "counter"
    #: What is now.
    GAUGE = "gauge"
    #: How many of what was measured fell below which bounds.
    HISTOGRAM = "histogram"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        name: as Prometheus has it.
        kind: how to read its values.
        help: one sentence.
        labels: what its values are told apart by, in the order in which samples give them.
        unit: ``seconds``, ``dollars``, or ``1`` for numbers of things.
        in_cloudwatch: whether CloudWatch is told, where each metric is paid for: not what cannot be
            added up over labels, nor what another metric says.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: str = "1"
    in_cloudwatch: bool = True


def counter(name: str, help_text: str, *labels: str) -> Metric:
    """Return a counter; its name ends in ``_total``."""
    return Metric(name=name, kind=Kind.COUNTER, help=help_text, labels=labels)


def gauge(
    name: str, help_text: str, *labels: str, unit: str = "1", in_cloudwatch: bool = True
) -> Metric:
    """Return a gauge."""
    return Metric(
        name=name,
        kind=Kind.GAUGE,
        help=help_text,
        labels=labels,
        unit=unit,
        in_cloudwatch=in_cloudwatch,
    )


def histogram(name: str, help_text: str, *labels: str) -> Metric:
    """Return a histogram of seconds."""
    return Metric(name=name, kind=Kind.HISTOGRAM, help=help_text, labels=labels, unit="seconds")
