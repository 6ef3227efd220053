"""The dashboard and the alerts that are given as examples ask for what there is, in PromQL."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from celery_aws.metrics import METRICS, Kind

promql_parser: Any = pytest.importorskip("promql_parser")

EXAMPLES = Path(__file__).parents[3] / "examples"
DASHBOARD = EXAMPLES / "grafana" / "dashboard.json"
ALERTS = EXAMPLES / "prometheus" / "alerts.yml"
SCRAPES = EXAMPLES / "prometheus" / "prometheus.yml"

#: Labels that Prometheus itself gives.
OF_PROMETHEUS = frozenset({"job", "instance"})

#: Each series that there may be, by its name, with its labels.
SERIES = {"up": OF_PROMETHEUS}
for each in METRICS:
    labels = OF_PROMETHEUS | set(each.labels)
    if each.kind is Kind.HISTOGRAM:
        SERIES[f"{each.name}_bucket"] = labels | {"le"}
        SERIES[f"{each.name}_sum"] = SERIES[f"{each.name}_count"] = labels
    else:
        SERIES[each.name] = labels

DURATION = re.compile(r"\d+[smhd]")


def panels() -> list[dict[str, Any]]:
    return [
        panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"
    ]


def rules() -> list[dict[str, Any]]:
    return [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]


def expressions() -> Iterator[Any]:
    for panel in panels():
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for rule in rules():
        yield pytest.param(rule["expr"], id=rule["alert"])


def selectors(node: Any) -> Iterator[Any]:
    """Yield every selector of a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("vector_selector", "expr", "lhs", "rhs", "param"):
        child = getattr(node, name, None)
        if child is not None:
            yield from selectors(child)
    for child in getattr(node, "args", ()) or ():
        yield from selectors(child)


@pytest.mark.parametrize("expression", list(expressions()))
def test_it_asks_in_promql_for_what_there_is(expression: str) -> None:
    parsed = promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    found = list(selectors(parsed))
    assert set(re.findall(r"\bcelery_\w+", expression)) <= {each.name for each in found}
    assert found
    for selector in found:
        assert selector.name in SERIES
        matched = {matcher.name for matcher in selector.matchers.matchers}
        assert matched <= SERIES[selector.name], expression
    all_labels = frozenset[str]().union(*(SERIES[each.name] for each in found))
    for grouped in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
        assert {each.strip() for each in grouped.split(",")} <= all_labels


@pytest.mark.parametrize(
    "expression", ["sum(rate(celery_task_sent_total[5m])", "rate(x[5m]) by (y", "a ==== b"]
)
def test_what_is_no_promql_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        promql_parser.parse(expression)


def test_counters_are_asked_for_their_growth() -> None:
    for parameters in expressions():
        (expression,) = parameters.values
        for name in re.findall(r"\bcelery_\w+_total\b", expression):
            assert re.search(rf"(rate|increase)\({name}\b", expression), expression


def test_the_panels_of_the_dashboard_are_side_by_side() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert all(x < 24 for x, _ in cells)
        assert not cells & taken
        taken |= cells


def test_every_variable_of_the_dashboard_is_there() -> None:
    text = DASHBOARD.read_text()
    variables = {each["name"] for each in json.loads(text)["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w+)", text))
    assert used == variables


def test_alerts_are_as_prometheus_reads_them() -> None:
    document = yaml.safe_load(ALERTS.read_text())
    assert set(document) == {"groups"}
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert DURATION.fullmatch(rule.get("for", "1s"))
        assert set(rule["labels"]) == {"severity"}
        assert rule["annotations"]["summary"]
        for text in rule["annotations"].values():
            assert text.count("{{") == text.count("}}")


def test_there_is_an_alert_for_what_should_wake_somebody() -> None:
    asked = " ".join(rule["expr"] for rule in rules())
    for metric in (
        "celery_aws_last_poll_timestamp_seconds",
        "celery_aws_queue_oldest_age_seconds",
        "celery_aws_queue_backlog_per_worker",
        "celery_aws_queue_dead_letters",
        "celery_aws_leases_lost_total",
        "celery_aws_acks_failed_total",
        "celery_worker_up",
        "celery_aws_queue_time_to_drain_seconds",
        "celery_aws_billing_units_total",
    ):
        assert metric in asked


def test_the_jobs_are_those_of_the_scrape_configuration() -> None:
    jobs = {each["job_name"] for each in yaml.safe_load(SCRAPES.read_text())["scrape_configs"]}
    named = set(re.findall(r'job="([\w-]+)"', ALERTS.read_text()))
    assert named == jobs
    for variable in json.loads(DASHBOARD.read_text())["templating"]["list"]:
        if variable["name"] in {"workers", "exporter", "tasks"}:
            assert variable["current"]["value"] in jobs
