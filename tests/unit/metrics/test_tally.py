from celery_aws.metrics import catalog
from celery_aws.metrics.bounded_names import OTHER, BoundedNames
from celery_aws.metrics.samples import Distribution
from celery_aws.metrics.tally import SECONDS_BOUNDS, Tally

ADD = ("add", "one", "celery")


def test_it_counts_by_labels() -> None:
    tally = Tally()
    for _ in range(3):
        tally.count(catalog.TASK_STARTED, *ADD)
    tally.count(catalog.TASK_STARTED, "other", "one", "celery")
    assert {each.labels: each.value for each in tally.samples()} == {
        ADD: 3,
        ("other", "one", "celery"): 1,
    }


def test_what_is_measured_falls_into_the_bucket_of_its_bound() -> None:
    tally = Tally()
    for seconds in (0.005, 0.0051, 7_200.0, 7_201.0):
        tally.observe(catalog.TASK_RUNTIME, seconds, *ADD)
    (sample,) = tally.samples()
    assert isinstance(sample.value, Distribution)
    counts = dict(zip((*SECONDS_BOUNDS, None), sample.value.counts, strict=True))
    assert {bound: count for bound, count in counts.items() if count} == {
        0.005: 1,
        0.01: 1,
        7_200.0: 1,
        None: 1,
    }
    assert (sample.value.count, sample.value.sum) == (4, 14_401.0101)


def test_what_has_a_label_can_be_forgotten() -> None:
    tally = Tally()
    for host in ("one", "two"):
        tally.count(catalog.TASK_STARTED, "add", host, "celery")
        tally.observe(catalog.TASK_RUNTIME, 1.0, "add", host, "celery")
    tally.count(catalog.READS_FAILED, "one")
    tally.drop("hostname", "one")
    assert {(each.metric.name, each.labels) for each in tally.samples()} == {
        ("celery_task_started_total", ("add", "two", "celery")),
        ("celery_task_runtime", ("add", "two", "celery")),
        ("celery_aws_exporter_reads_failed_total", ("one",)),
    }


def test_names_that_nobody_knows_are_let_through_up_to_a_number() -> None:
    names = BoundedNames(lambda: {"known"}, most_unknown=2)
    asked = ["a", "b", "c", "known", "a"]
    assert [names.of(each) for each in asked] == ["a", "b", OTHER, "known", "a"]
