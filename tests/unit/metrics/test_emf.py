import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from celery_aws.metrics import METRICS, Kind, Sample, catalog
from celery_aws.metrics.emf import EmfDocuments, EmfFormat
from celery_aws.metrics.emf_writer import EmfWriter, line_writer
from celery_aws.metrics.samples import Distribution
from celery_aws.testing.clock import START, FakeClock
from tests.unit.metrics.emf_schema import check

MILLISECONDS = int(START.timestamp() * 1_000)


def documents(*samples: Sample, form: EmfFormat | None = None) -> list[dict[str, Any]]:
    found = EmfDocuments(form or EmfFormat()).next(samples, START)
    for each in found:
        check(each)
    return found


def added(name: str, hostname: str, count: float) -> Sample:
    return Sample(catalog.TASK_SUCCEEDED, (name, hostname, "celery"), count)


def test_a_document_is_for_a_queue_or_for_none() -> None:
    polls = Sample(catalog.POLLS, (), 3.0)
    visible = Sample(catalog.MESSAGES_VISIBLE, ("celery",), 5.0)
    none, celery = documents(polls, visible, form=EmfFormat(dimensions={"service": "shop"}))
    assert none["_aws"]["CloudWatchMetrics"] == [
        {
            "Namespace": "CeleryAws",
            "Dimensions": [["service"]],
            "Metrics": [{"Name": "celery_aws_polls_total", "Unit": "Count"}],
        }
    ]
    assert (none["service"], none["celery_aws_polls_total"]) == ("shop", 3)
    assert none["_aws"]["Timestamp"] == MILLISECONDS
    assert celery["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "queue_name"]]
    assert (celery["queue_name"], celery["celery_aws_queue_messages_visible"]) == ("celery", 5)


def test_what_other_labels_tell_apart_is_added_up() -> None:
    (found,) = documents(added("a", "one", 2), added("b", "one", 3), added("a", "two", 4))
    assert found["celery_task_succeeded_total"] == 9
    assert not {"name", "hostname"} & set(found)


def test_a_counter_is_what_was_added_since() -> None:
    made = EmfDocuments(EmfFormat())
    name = "celery_task_succeeded_total"
    told = []
    for samples in (
        [added("a", "one", 2)],
        [added("a", "one", 2), added("a", "two", 4)],
        [added("a", "one", 2), added("a", "two", 4)],
        [added("a", "one", 2)],  # the other host is not told of any more
        [added("a", "one", 1)],  # it began anew
    ):
        found = made.next(samples, START)
        told.append(found[0][name] if found else None)
    assert told == [2, 4, None, None, 1]


def test_a_histogram_is_its_sum_and_count() -> None:
    made = EmfDocuments(EmfFormat())
    labels = ("a", "one", "celery")
    before = Distribution(bounds=(1.0,), counts=(1, 0), sum=0.5)
    after = Distribution(bounds=(1.0,), counts=(2, 1), sum=4.0)
    made.next([Sample(catalog.TASK_RUNTIME, labels, before)], START)
    (found,) = made.next([Sample(catalog.TASK_RUNTIME, labels, after)], START)
    check(found)
    assert (found["celery_task_runtime_sum"], found["celery_task_runtime_count"]) == (3.5, 2)


def test_what_cannot_be_added_up_and_what_is_no_number_is_left_out() -> None:
    endless = Sample(catalog.TIME_TO_DRAIN, ("celery",), float("inf"))
    assert documents(Sample(catalog.LAST_POLL, ("celery",), 1.0), endless) == []


def test_everything_there_is_in_directives_of_a_hundred() -> None:
    distribution = Distribution(bounds=(1.0,), counts=(1, 1), sum=3.0)
    samples = [
        Sample(each, tuple("x" for _ in each.labels), distribution)
        if each.kind is Kind.HISTOGRAM
        else Sample(each, tuple("x" for _ in each.labels), 1.0)
        for each in METRICS
    ]
    form = EmfFormat(dimensions={f"d{n}": "x" for n in range(29)})
    assert len(documents(*samples, form=form)) == 2


def test_the_check_refuses_what_cloudwatch_would() -> None:
    (good,) = documents(Sample(catalog.POLLS, (), 3.0))
    directive = good["_aws"]["CloudWatchMetrics"][0]
    for bad in (
        {**directive, "Dimensions": [[f"d{n}" for n in range(31)]]},
        {**directive, "Metrics": [{"Name": "m", "Unit": "1"}]},
        {**directive, "Metrics": [{"Name": f"m{n}"} for n in range(101)]},
        {**directive, "Namespace": ""},
    ):
        with pytest.raises(jsonschema.ValidationError):
            check({**good, "_aws": {**good["_aws"], "CloudWatchMetrics": [bad]}})


@pytest.mark.parametrize(
    "dimensions", [{f"d{n}": "x" for n in range(30)}, {"queue_name": "celery"}]
)
def test_dimensions_that_cannot_be(dimensions: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="dimension"):
        EmfFormat(dimensions=dimensions)


class Polls:
    """A source of one counter."""

    def __init__(self) -> None:
        self.count = 0.0

    def samples(self) -> list[Sample]:
        self.count += 1
        return [Sample(catalog.POLLS, (), self.count)]


def test_lines_are_written_at_each_interval_and_at_the_end() -> None:
    written: list[dict[str, Any]] = []

    def write(lines: str) -> None:
        written.append(json.loads(lines))
        if len(written) == 2:
            writer.stop(0)

    writer = EmfWriter(Polls(), write, form=EmfFormat(), every_seconds=60, clock=FakeClock())
    writer.run()
    times = [each["_aws"]["Timestamp"] - MILLISECONDS for each in written]
    assert times == [60_000, 120_000, 120_000]
    assert [each["celery_aws_polls_total"] for each in written] == [1, 1, 1]


def test_they_are_whole_lines_at_the_end_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for each in ("one", "two"):
        line_writer(str(path))(each + "\n")
    assert path.read_text() == "one\ntwo\n"


def test_a_file_that_cannot_be_written_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = EmfWriter(
        Polls(), line_writer(str(tmp_path / "no" / "where")), form=EmfFormat(), clock=FakeClock()
    )
    writer.stop(0)
    writer.run()
    assert "metrics could not be written" in caplog.text


def test_the_standard_output_past_python(capfd: pytest.CaptureFixture[str]) -> None:
    line_writer("-")('{"a": 1}\n')
    assert capfd.readouterr().out == '{"a": 1}\n'
