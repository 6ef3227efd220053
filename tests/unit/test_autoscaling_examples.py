"""The examples for autoscaling: read as who they are for reads them."""

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

EXAMPLES = Path(__file__).parents[2] / "examples" / "autoscaling"

#: Metadata of KEDA's scalers, as its documentation names it.
KEDA = {
    "aws-sqs-queue": {
        "queueURL",
        "awsRegion",
        "queueLength",
        "activationQueueLength",
        "scaleOnInFlight",
        "scaleOnDelayed",
        "identityOwner",
    },
    "metrics-api": {"url", "format", "valueLocation", "targetValue", "activationTargetValue"},
}


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


def test_aws_takes_the_target_tracking() -> None:
    model = botocore.session.Session().get_service_model("application-autoscaling")
    shape = model.shape_for("TargetTrackingScalingPolicyConfiguration")
    policy = json.loads((EXAMPLES / "ecs-target-tracking.json").read_text())

    report = ParamValidator().validate(policy, shape)

    assert not report.has_errors(), report.generate_report()
    metrics = policy["CustomizedMetricSpecification"]["Metrics"]
    assert [each["Id"] for each in metrics if each["ReturnData"]] == ["backlog"]
    names = [each["MetricStat"]["Metric"]["MetricName"] for each in metrics if "MetricStat" in each]
    assert names == ["ApproximateNumberOfMessagesVisible", "RunningTaskCount"]


@pytest.mark.parametrize("name", ["keda-sqs.yaml", "keda-metrics-api.yaml"])
def test_keda_knows_what_it_is_told(name: str) -> None:
    scaled = documents(name)[0]

    assert (scaled["apiVersion"], scaled["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    spec = scaled["spec"]
    assert spec["minReplicaCount"] < spec["maxReplicaCount"]
    (trigger,) = spec["triggers"]
    assert trigger["metadata"].keys() <= KEDA[trigger["type"]]
    # KEDA takes nothing but texts here.
    assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_in_flight_and_delayed_messages_ask_for_no_worker() -> None:
    metadata = documents("keda-sqs.yaml")[0]["spec"]["triggers"][0]["metadata"]

    assert (metadata["scaleOnInFlight"], metadata["scaleOnDelayed"]) == ("false", "false")
