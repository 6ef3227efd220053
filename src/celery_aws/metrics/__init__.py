"""Metrics: what a worker and a deployment measure, for Prometheus, CloudWatch and OpenTelemetry."""

from celery_aws.metrics.catalog import METRICS
from celery_aws.metrics.description import Kind, Metric
from celery_aws.metrics.samples import Sample, Source

__all__ = ["METRICS", "Kind", "Metric", "Sample", "Source"]
