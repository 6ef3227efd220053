"""Writes docs/reference/metrics.md from the catalog: ``python -m celery_aws.metrics.reference``.

A test compares the page with what this writes.
"""

from celery_aws.metrics.catalog import METRICS
from celery_aws.metrics.description import Kind, Metric

_HEAD = """\
# Metrics

Made from `celery_aws.metrics.catalog` by `python -m celery_aws.metrics.reference`. How to have them
shown, and what that costs: [metrics.md](../how-to/metrics.md).

Names that begin with `celery_` and not with `celery_aws_` are those of the
[Celery exporter](https://github.com/danihodovic/celery-exporter), with its labels and meaning; only
`hostname` is the whole name of a node here (`one@host`), not what is behind its `@`.

`E` is told by `celery aws exporter`, `W` by each worker.

| metric | kind | labels | by | |
|---|---|---|---|---|
"""

_TAIL = """
CloudWatch is told of all but the two that end in `_timestamp_seconds`, and the two that say what
another says (`celery_queue_length`, `celery_active_consumer_count`); `queue_name` is the only
dimension; counters and histograms are what was added since the last document, a histogram is
`..._sum` and `..._count`. OpenTelemetry's instruments have the same names, counters without
`_total`; a histogram is two counters, `..._sum` and `..._count`.
"""

#: Prefixes of what only one of the two tells, the longest first.
_TOLD_BY = {
    "celery_aws_queue_": "E",
    "celery_aws_exporter_": "E",
    "celery_aws_scheduled_tasks_moved": "W",
    "celery_aws_scheduled_tasks": "E",
    "celery_aws_registered": "E",
    "celery_aws_requests": "E W",
    "celery_aws_billing": "E W",
    "celery_aws_": "W",
    "celery_queue_length": "E",
    "celery_task_sent": "E",
    "celery_task_queue_wait": "E",
    "celery_": "E W",
}


def page() -> str:
    """Return the page."""
    return _HEAD + "".join(map(_row, METRICS)) + _TAIL


def told_by(metric: Metric) -> str:
    """Return by whom a metric is told: ``E``, ``W`` or both."""
    return next(by for prefix, by in _TOLD_BY.items() if metric.name.startswith(prefix))


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    kind = "histogram (s)" if metric.kind is Kind.HISTOGRAM else metric.kind.value
    return f"| `{metric.name}` | {kind} | {labels} | {told_by(metric)} | {metric.help} |\n"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - the page
