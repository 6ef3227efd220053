import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from celery_aws.cli.broker import broker_of, coordination_of
from celery_aws.cli.group import aws
from celery_aws.core.request_usage import RequestUsage, UsageRow
from celery_aws.cost.recording import UsageRecorder
from celery_aws.metrics.exporter import Exporter, ExporterSettings
from tests.unit.cli.conftest import Shop


@pytest.fixture(autouse=True)
def _no_prices_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


@pytest.fixture
def worked(shop: Shop) -> Shop:
    """A worker has asked for a dollar and a quarter of writes in a quarter of an hour."""
    shop.options(region="us-east-1")
    row = UsageRow(
        service="dynamodb", operation="PutItem", resource="results", requests=2_000, units=2e6
    )
    asked = RequestUsage(rows=(row,))
    with broker_of(shop.app) as broker:
        recorder = UsageRecorder(
            coordination_of(broker).usage, "celery@a", usage=lambda: asked, clock=broker.clock
        )
        coordination_of(broker).table.ensure()
        broker.clock.sleep(900)
        recorder.turn()
    return shop


def actual(shop: Shop, *arguments: str) -> Any:
    ended = shop.run("cost", "actual", "--json", *arguments)
    assert ended.exit_code in (0, 1), ended.output
    facts = json.loads(ended.stdout)
    assert ended.exit_code == int(facts["over_budget"])
    return facts


def test_what_workers_wrote_down_is_billed(worked: Shop) -> None:
    facts = actual(worked)
    assert facts["month"] == "2026-03"
    assert facts["so_far"]["dollars"] == pytest.approx(1.25)
    assert facts["projected_dollars"] is None
    assert facts["dollars_by_resource"] == {"results": pytest.approx(1.25)}
    text = worked.run("cost", "actual", "--currency", "JPY", "--rate", "100").stdout
    assert "JPY 125" in text
    assert "dynamodb.PutItem results" in text


def test_a_budget_that_is_exceeded_is_an_exit_code(worked: Shop) -> None:
    assert actual(worked)["over_budget"] is False
    worked.options(monthly_budget=1)
    assert actual(worked)["over_budget"] is True
    worked.options(monthly_budget="1.5")
    assert actual(worked)["budget_dollars"] == 1.5


def test_another_month(worked: Shop) -> None:
    assert actual(worked, "--month", "2026-02")["so_far"]["dollars"] == 0
    assert worked.run("cost", "actual", "--month", "soon").exit_code == 2


def test_it_costs_one_request(worked: Shop) -> None:
    before = dict(worked.tables.requests)
    actual(worked)
    after = dict(worked.tables.requests)
    changed = {name: after[name] - before.get(name, 0) for name in after}
    assert {name: count for name, count in changed.items() if count} == {"Query": 1}


def test_it_needs_an_app_and_the_table(shop: Shop) -> None:
    assert CliRunner().invoke(aws, ["cost", "actual"]).exit_code == 2
    shop.options(coordination_table=False)
    assert shop.run("cost", "actual").exit_code == 2


def test_the_exporter_shows_it_beside_the_budget(worked: Shop) -> None:
    worked.options(monthly_budget=7)
    with broker_of(worked.app) as broker:
        exporter = Exporter(worked.app, broker, ExporterSettings(events=False, inspect_seconds=0))
        exporter.reader.turn()
        shown = {(each.metric.name, *each.labels): each.value for each in exporter.reader.samples()}
    assert shown["celery_aws_month_budget_dollars",] == 7
    assert shown["celery_aws_month_cost_dollars", "so far"] == pytest.approx(1.25)
    assert ("celery_aws_month_cost_dollars", "projected") not in shown


def test_without_a_budget_the_exporter_does_not_look(worked: Shop) -> None:
    with broker_of(worked.app) as broker:
        exporter = Exporter(worked.app, broker, ExporterSettings(events=False, inspect_seconds=0))
        exporter.reader.turn()
        names = {each.metric.name for each in exporter.reader.samples()}
    assert "celery_aws_month_cost_dollars" not in names
