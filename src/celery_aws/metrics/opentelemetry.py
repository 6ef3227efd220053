"""The same metrics as observable instruments of OpenTelemetry. Needs the extra ``opentelemetry``.

Whatever exporter the user has set up reads them, at its own interval; none is set up here.
OpenTelemetry has no observable histogram, so of one there are two counters, ``..._sum`` and
``..._count``. A counter is called as in the catalog, without ``_total``, which exporters to
Prometheus add again.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from celery_aws.errors import ConfigurationError
from celery_aws.metrics.catalog import METRICS
from celery_aws.metrics.description import Kind, Metric
from celery_aws.metrics.samples import Distribution, Sample, Source

try:
    from opentelemetry.metrics import Observation, get_meter
except ModuleNotFoundError as error:
    raise ConfigurationError(
        'metrics for OpenTelemetry need its packages: pip install "celery-aws[opentelemetry]"',
        where="metrics_opentelemetry",
    ) from error

#: OpenTelemetry's word for our units.
_UNITS: Final = {"1": "1", "seconds": "s", "dollars": "{USD}"}

_TOTAL: Final = "_total"

#: What a metric's sample is observed as.
_Value = Callable[[Sample], float]


def observe(source: Source, meter_provider: Any = None) -> None:
    """Let OpenTelemetry observe a source from now on. Costs no request.

    Args:
        source: is asked once for each metric whenever a reader collects.
        meter_provider: whose meter; None is the global one.
    """
    meter = get_meter("celery_aws", meter_provider=meter_provider)
    for metric in METRICS:
        for name, unit, value in _instruments(metric):
            callback = _observed(source, metric, value)
            make = meter.create_observable_counter
            if metric.kind is Kind.GAUGE:
                make = meter.create_observable_gauge
            make(name, callbacks=[callback], unit=unit, description=metric.help)


def _instruments(metric: Metric) -> list[tuple[str, str, _Value]]:
    """Return name, unit and value of the instruments that stand for a metric."""
    unit = _UNITS[metric.unit]
    if metric.kind is Kind.HISTOGRAM:
        return [
            (f"{metric.name}_sum", unit, lambda sample: sample.number),
            (f"{metric.name}_count", _UNITS["1"], _count),
        ]
    return [(metric.name.removesuffix(_TOTAL), unit, lambda sample: sample.number)]


def _count(sample: Sample) -> float:
    return float(sample.value.count) if isinstance(sample.value, Distribution) else 0.0


def _observed(source: Source, metric: Metric, value: _Value) -> Callable[..., Iterable[Any]]:
    def callback(_options: Any) -> Iterable[Any]:
        for sample in source.samples():
            if sample.metric is metric:
                labels = dict(zip(metric.labels, sample.labels, strict=True))
                yield Observation(value(sample), labels)

    return callback
