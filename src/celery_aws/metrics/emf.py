"""Samples as documents of CloudWatch's embedded metric format: metrics by way of a log.

CloudWatch asks $0.30 a month for each metric, and each value of a dimension makes another one
(fewer from 10,000 on; list price of us-east-1, 2026-09). So the only dimension that comes from a
label is the queue; what other labels tell apart is added up, and a counter that did not grow is
left out. Counters and histograms are what was added since the document before; a histogram is its
sum and its count, from which CloudWatch makes the mean.

Facts: "Specification: Embedded metric format" in the CloudWatch user guide: a document names its
metrics in directives of up to 100 each, with sets of up to 30 dimensions.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from math import isfinite
from typing import Any, Final

from celery_aws.limits import EMF_DIMENSION_COUNT, EMF_METRIC_COUNT
from celery_aws.metrics.description import Kind, Metric
from celery_aws.metrics.samples import Distribution, Sample

#: The one label that becomes a dimension.
QUEUE_LABEL: Final = "queue_name"

#: CloudWatch's words for our units.
_UNITS: Final = {"1": "Count", "seconds": "Seconds", "dollars": "None"}

#: A sample's value, of a counter or histogram what it was the last time.
_Series = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class EmfFormat:
    """How documents look.

    Attributes:
        namespace: of the metrics in CloudWatch.
        dimensions: of all metrics, such as ``{"service": "shop"}``; up to 29.

    Raises:
        ValueError: there are more.
    """

    namespace: str = "CeleryAws"
    dimensions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what CloudWatch would."""
        if len(self.dimensions) >= EMF_DIMENSION_COUNT:
            raise ValueError(
                f"CloudWatch takes {EMF_DIMENSION_COUNT} dimensions, the queue included"
            )
        if QUEUE_LABEL in self.dimensions:
            raise ValueError(f"{QUEUE_LABEL} is the dimension of each queue")


class EmfDocuments:
    """Makes documents of what a source tells again and again; not thread-safe.

    Args:
        form: how they look.
    """

    def __init__(self, form: EmfFormat) -> None:
        self._form = form
        self._before: dict[_Series, float] = {}

    def next(self, samples: Iterable[Sample], now: datetime) -> list[dict[str, Any]]:
        """Return the documents of one moment: one for each queue, and one for what has none.

        Args:
            samples: everything that a source tells.
            now: when it did, aware.
        """
        values: dict[str, dict[tuple[str, str], float]] = {}
        for queue, name, unit, value in self._values(samples):
            of_queue = values.setdefault(queue, {})
            of_queue[name, unit] = of_queue.get((name, unit), 0.0) + value
        return [
            document for queue, of_queue in sorted(values.items())
            for document in self._documents(queue, of_queue, now)
        ]  # fmt: skip

    def _values(self, samples: Iterable[Sample]) -> Iterator[tuple[str, str, str, float]]:
        """Yield queue, name, unit and value of all that CloudWatch is to be told."""
        now: dict[_Series, float] = {}
        for sample in samples:
            if not sample.metric.in_cloudwatch:
                continue
            for name, unit, value in _parts(sample):
                grown = self._grown(sample, name, value, now)
                if isfinite(grown) and (grown or sample.metric.kind is Kind.GAUGE):
                    yield sample.label(QUEUE_LABEL), name, unit, grown
        self._before = now

    def _grown(self, sample: Sample, name: str, value: float, now: dict[_Series, float]) -> float:
        if sample.metric.kind is Kind.GAUGE:
            return value
        series = name, sample.labels
        now[series] = value
        before = self._before.get(series, 0.0)
        return value - before if value >= before else value  # it began anew

    def _documents(
        self, queue: str, values: Mapping[tuple[str, str], float], now: datetime
    ) -> Iterator[dict[str, Any]]:
        dimensions = dict(self._form.dimensions)
        if queue:
            dimensions[QUEUE_LABEL] = queue
        left = iter(sorted(values.items()))
        while some := list(islice(left, EMF_METRIC_COUNT)):
            directive = {
                "Namespace": self._form.namespace,
                "Dimensions": [list(dimensions)],
                "Metrics": [{"Name": name, "Unit": unit} for (name, unit), _ in some],
            }
            yield {
                "_aws": {
                    "Timestamp": int(now.timestamp() * 1_000),
                    "CloudWatchMetrics": [directive],
                },
                **dimensions,
                **{name: value for (name, _), value in some},
            }


def _parts(sample: Sample) -> list[tuple[str, str, float]]:
    """Return name, unit and value of what CloudWatch has of a sample."""
    metric: Metric = sample.metric
    unit = _UNITS[metric.unit]
    if isinstance(sample.value, Distribution):
        return [
            (f"{metric.name}_sum", unit, sample.value.sum),
            (f"{metric.name}_count", "Count", float(sample.value.count)),
        ]
    return [(metric.name, unit, sample.value)]
