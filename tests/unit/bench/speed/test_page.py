"""Tables, and the page that they are written into."""

from pathlib import Path

import pytest
from bench.speed import page, tables
from bench.speed.figures import Runs

from tests.unit.bench.speed.runs import measured

RUNS = Runs(
    [
        measured("ours", tasks_per_second=200.0),
        measured("ours", 1, tasks_per_second=300.0),
        measured("stock", tasks_per_second=8.0),
        measured("stock", 1, tasks_per_second=8.0),
        measured("redis", cloud_share=None, dollars=0.0),
    ]
)


def test_throughput() -> None:
    lines = list(tables.throughput(RUNS))
    assert lines[2].startswith("| celery-aws, prefork2, 8 ms | 250 [200-300] |  |")
    assert lines[3].startswith("| stock, prefork2, 8 ms | 8.00 | 31.2 [25.0-37.5] |")
    assert lines[4].endswith(" | 100 |  |")


def test_requests_of_tasks_sent_one_by_one_and_as_a_group() -> None:
    lines = list(tables.requests(RUNS))
    assert lines[2] == "| celery-aws, prefork2, 8 ms | 1.00 | 0.70 | dynamodb.PutItem 1.00 |"
    assert lines[3].startswith("| celery-aws, prefork2, 8 ms, sent as a group |")
    assert lines[4].startswith("| stock, prefork2, 8 ms |")
    assert "by the hour" in lines[5]


def test_every_row_has_the_columns_of_its_head() -> None:
    for table in (tables.throughput, tables.publishing, tables.requests, tables.bounds):
        assert len({line.count("|") for line in table(RUNS)}) == 1


def test_figures_are_replaced_and_the_rest_stays() -> None:
    old = page.PAGE.read_text()
    new = page.with_figures(old, ["| new |"])
    assert "\n| new |\n" in new
    assert new.partition("<!--")[0] == old.partition("<!--")[0]
    assert page.with_figures(new, ["| new |"]) == new
    with pytest.raises(ValueError, match="the page has no"):
        page.with_figures("no marks", [])


def test_what_was_measured_can_be_written_again(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    page.save(path, RUNS, ["| capacity |"], 2.5)
    runs, capacity, minutes = page.load(path)
    assert runs.all == RUNS.all
    assert (capacity, minutes) == (["| capacity |"], 2.5)


def test_the_report_has_a_title_for_each_table() -> None:
    pytest.importorskip("pycurl")
    titles = [line for line in page.report(RUNS, ["| capacity |"], 2.5) if line.startswith("#")]
    assert len(titles) == 5
