"""The scaling policies that are given as examples are such, and ask for metrics that there are."""

import json
import re
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.validate import ParamValidator

from celery_aws.metrics import METRICS, Kind

EXAMPLES = Path(__file__).parents[3] / "examples" / "autoscaling"
POLICIES = sorted(EXAMPLES.glob("ecs-*.json"))
SCALED_OBJECTS = sorted(EXAMPLES.glob("keda-*.yaml"))

GAUGES = {each.name: each for each in METRICS if each.kind is Kind.GAUGE}

#: What the scalers of KEDA 2.16 take (keda.sh/docs/2.16/scalers).
TRIGGERS = {
    "metrics-api": {"url", "format", "valueLocation", "targetValue", "activationTargetValue"},
    "prometheus": {"serverAddress", "query", "threshold", "activationThreshold"},
    "aws-sqs-queue": {
        "queueURL",
        "awsRegion",
        "queueLength",
        "activationQueueLength",
        "scaleOnInFlight",
        "scaleOnDelayed",
    },
}


def policy(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def scaled_object(path: Path) -> dict[str, Any]:
    (found,) = (each for each in documents(path) if each["kind"] == "ScaledObject")
    spec: dict[str, Any] = found["spec"]
    return spec


def test_they_are_all_looked_at() -> None:
    assert {*EXAMPLES.iterdir()} == {*POLICIES, *SCALED_OBJECTS}
    assert (len(POLICIES), len(SCALED_OBJECTS)) == (2, 3)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_aws_takes_the_policy(path: Path) -> None:
    client = boto3.client("application-autoscaling", region_name="eu-west-1")
    shape = client.meta.service_model.operation_model("PutScalingPolicy").input_shape
    request = {
        "PolicyName": "backlog",
        "ServiceNamespace": "ecs",
        "ResourceId": "service/shop/celery-worker",
        "ScalableDimension": "ecs:service:DesiredCount",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": policy(path),
    }
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()


def test_the_expression_is_of_the_metrics_beside_it() -> None:
    given = policy(EXAMPLES / "ecs-target-tracking.json")["CustomizedMetricSpecification"]
    *sources, result = given["Metrics"]
    assert [each["ReturnData"] for each in given["Metrics"]] == [False, False, True]
    assert {*re.findall(r"\b[a-z]\w*", result["Expression"])} == {each["Id"] for each in sources}


def test_the_metric_is_one_that_the_exporter_tells_cloudwatch() -> None:
    given = policy(EXAMPLES / "ecs-target-tracking-exporter.json")["CustomizedMetricSpecification"]
    metric = GAUGES[given["MetricName"]]
    assert metric.in_cloudwatch
    assert {each["Name"] for each in given["Dimensions"]} == {"service", *metric.labels}


@pytest.mark.parametrize("path", SCALED_OBJECTS, ids=lambda path: path.stem)
def test_keda_takes_the_scaled_object(path: Path) -> None:
    assert {each["apiVersion"] for each in documents(path)} == {"keda.sh/v1alpha1"}
    spec = scaled_object(path)
    assert spec["scaleTargetRef"]["name"]
    # Without a worker nobody moves parked tasks.
    assert 1 <= spec["minReplicaCount"] < spec["maxReplicaCount"]
    named = {each["metadata"]["name"] for each in documents(path)}
    for trigger in spec["triggers"]:
        assert {*trigger["metadata"]} <= TRIGGERS[trigger["type"]]
        assert all(isinstance(value, str) for value in trigger["metadata"].values())
        if "authenticationRef" in trigger:
            assert trigger["authenticationRef"]["name"] in named


def test_what_is_in_flight_does_not_count() -> None:
    (trigger,) = scaled_object(EXAMPLES / "keda-sqs.yaml")["triggers"]
    assert (trigger["metadata"]["scaleOnInFlight"], trigger["metadata"]["scaleOnDelayed"]) == (
        "false",
        "false",
    )


def test_the_query_is_promql_for_a_metric_that_there_is() -> None:
    parser: Any = pytest.importorskip("promql_parser")
    (trigger,) = scaled_object(EXAMPLES / "keda-prometheus.yaml")["triggers"]
    query = trigger["metadata"]["query"]
    parser.parse(query)
    (name,) = re.findall(r"\bcelery_\w+", query)
    (label,) = re.findall(r"(\w+)=", query)
    assert label in GAUGES[name].labels
