"""The description of all metrics; and that everything is shown under the names that it says."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from celery_aws.metrics import METRICS, Kind, Metric, Sample
from celery_aws.metrics.prometheus import Page
from celery_aws.metrics.samples import Distribution

#: Names and labels of the Celery exporter, as of its version 0.12 (src/exporter.py). Of what it
#: counts for other brokers only, nothing is missing here either.
COMMON = {
    "celery_task_sent_total": ("name", "hostname", "queue_name"),
    "celery_task_received_total": ("name", "hostname", "queue_name"),
    "celery_task_started_total": ("name", "hostname", "queue_name"),
    "celery_task_succeeded_total": ("name", "hostname", "queue_name"),
    "celery_task_failed_total": ("name", "hostname", "exception", "queue_name"),
    "celery_task_rejected_total": ("name", "hostname", "queue_name"),
    "celery_task_revoked_total": ("name", "hostname", "queue_name"),
    "celery_task_retried_total": ("name", "hostname", "queue_name"),
    "celery_worker_up": ("hostname",),
    "celery_worker_tasks_active": ("hostname",),
    "celery_task_runtime": ("name", "hostname", "queue_name"),
    "celery_task_queue_wait_time": ("name", "hostname", "queue_name"),
    "celery_queue_length": ("queue_name",),
    "celery_active_consumer_count": ("queue_name",),
    "celery_active_worker_count": ("queue_name",),
    "celery_active_process_count": ("queue_name",),
}


def test_the_names_of_the_common_exporter_have_its_labels() -> None:
    ours = {each.name: each.labels for each in METRICS if not each.name.startswith("celery_aws_")}
    assert ours == COMMON


def test_each_name_is_there_once() -> None:
    names = [each.name for each in METRICS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("metric", METRICS, ids=lambda each: each.name)
def test_names_say_what_they_are(metric: Metric) -> None:
    assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)
    if metric.name.endswith("_seconds"):
        assert metric.unit == "seconds"
    assert metric.help.endswith((".", ")"))
    assert len(metric.help) < 100


class Everything:
    """A source of a sample of each metric."""

    def samples(self) -> list[Sample]:
        return [
            Sample(each, tuple(f"the {label}" for label in each.labels), self._value(each))
            for each in METRICS
        ]

    def _value(self, metric: Metric) -> float | Distribution:
        if metric.kind is Kind.HISTOGRAM:
            return Distribution(bounds=(0.5, 1.0), counts=(1, 0, 2), sum=9.0)
        return 3.0


def test_prometheus_is_shown_each_under_its_name_and_kind() -> None:
    answer = Page(Everything())()
    families = {each.name: each for each in text_string_to_metric_families(answer.body.decode())}
    assert answer.content_type.startswith("text/plain")
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert family.type == metric.kind.value
        assert family.documentation == metric.help
        labels = {label: f"the {label}" for label in metric.labels}
        for sample in family.samples:
            assert {name: it for name, it in sample.labels.items() if name != "le"} == labels


def test_the_buckets_of_a_histogram_contain_those_below() -> None:
    page = Page(Everything())().body.decode()
    (runtime,) = [
        each for each in text_string_to_metric_families(page) if each.name == "celery_task_runtime"
    ]
    buckets = {
        each.labels["le"]: each.value for each in runtime.samples if each.name.endswith("_bucket")
    }
    assert buckets == {"0.5": 1, "1.0": 1, "+Inf": 3}
    totals = {each.name: each.value for each in runtime.samples if "le" not in each.labels}
    assert totals == {"celery_task_runtime_count": 3, "celery_task_runtime_sum": 9}
