"""Samples in the text formats that Prometheus reads, by its own client library.

Needs the extra ``metrics``. Facts: "Writing exporters" of the Prometheus documentation, custom
collectors of prometheus-client.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from celery_aws.errors import ConfigurationError
from celery_aws.health.http import Answer
from celery_aws.metrics.catalog import METRICS
from celery_aws.metrics.description import Kind, Metric
from celery_aws.metrics.samples import Distribution, Sample, Source

try:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )
    from prometheus_client.exposition import generate_latest
    from prometheus_client.metrics_core import Metric as Family
except ModuleNotFoundError as error:
    raise ConfigurationError(
        'metrics for Prometheus need prometheus-client: pip install "celery-aws[metrics]"',
        where="metrics_port",
    ) from error

#: The text format that every Prometheus reads; newer ones differ only in names that are no ASCII.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: What prometheus-client puts behind the name of a counter by itself.
_TOTAL = "_total"


class Page:
    """A source as a page that Prometheus scrapes.

    It takes no lock but the source's: prometheus-client's registry, which has one, is left out.

    Args:
        source: what is on it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterable[Family]:
        """Return the families that have samples, in the order of the catalog."""
        return families(self._source.samples())

    def __call__(self) -> Answer:
        """Return the page. Costs no request."""
        return Answer(body=generate_latest(self), content_type=CONTENT_TYPE)


def families(samples: Iterable[Sample]) -> Iterator[Family]:
    """Yield prometheus-client's families of some samples, in the order of the catalog."""
    by_metric: dict[Metric, list[Sample]] = {}
    for sample in samples:
        by_metric.setdefault(sample.metric, []).append(sample)
    for metric in METRICS:
        if metric in by_metric:
            yield _family(metric, by_metric[metric])


def _family(metric: Metric, samples: Iterable[Sample]) -> Family:
    labels = list(metric.labels)
    if metric.kind is Kind.COUNTER:
        counters = CounterMetricFamily(metric.name.removesuffix(_TOTAL), metric.help, labels=labels)
        for sample in samples:
            counters.add_metric(sample.labels, sample.number)
        return counters
    if metric.kind is Kind.GAUGE:
        gauges = GaugeMetricFamily(metric.name, metric.help, labels=labels)
        for sample in samples:
            gauges.add_metric(sample.labels, sample.number)
        return gauges
    histograms = HistogramMetricFamily(metric.name, metric.help, labels=labels)
    for sample in samples:
        if isinstance(sample.value, Distribution):
            histograms.add_metric(sample.labels, _buckets(sample.value), sample.value.sum)
    return histograms


def _buckets(distribution: Distribution) -> list[tuple[str, float]]:
    """Return each bucket with all below it, as Prometheus counts them."""
    bounds = [*(str(bound) for bound in distribution.bounds), "+Inf"]
    return [*zip(bounds, map(float, accumulate(distribution.counts)), strict=True)]
