"""OpenTelemetry's own SDK reads the metrics."""

from typing import Any

import pytest

from celery_aws.metrics import METRICS, Kind
from tests.unit.metrics.test_catalog import Everything

pytest.importorskip("opentelemetry.sdk.metrics")


def read() -> dict[str, Any]:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from celery_aws.metrics.opentelemetry import observe

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    observe(Everything(), provider)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    (resource,) = data.resource_metrics
    (scope,) = resource.scope_metrics
    assert scope.scope.name == "celery_aws"
    return {each.name: each for each in scope.metrics}


def test_every_metric_is_observed() -> None:
    found = read()
    for metric in METRICS:
        if metric.kind is Kind.HISTOGRAM:
            continue
        observed = found[metric.name.removesuffix("_total")]
        (point,) = observed.data.data_points
        assert point.value == 3
        assert dict(point.attributes) == {label: f"the {label}" for label in metric.labels}
        assert observed.unit == {"1": "1", "seconds": "s", "dollars": "{USD}"}[metric.unit]
        # Only a counter is a sum.
        assert hasattr(observed.data, "is_monotonic") is (metric.kind is Kind.COUNTER)


def test_a_histogram_is_two_counters() -> None:
    found = read()
    values = {
        name: found[f"celery_task_runtime_{name}"].data.data_points[0].value
        for name in ("sum", "count")
    }
    assert values == {"sum": 9, "count": 3}
