import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator

from celery_aws.provision import terraform
from celery_aws.provision.exported import exported_queues, regions_of
from tests.unit.provision.account import deployment
from tests.unit.provision.test_applying import EVERYTHING, OPTIONS, RESULTS

pytestmark = pytest.mark.usefixtures("bare_environment")

SCHEMA = json.loads((Path(__file__).parent / "terraform.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)

#: A part of a template that refers to something else.
REFERENCE = re.compile(r"\b((?:data\.)?aws_[a-z_0-9]+)\.([a-z0-9_]+)\.(arn|id)\b")


def problems(found: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(found)]


def dangling(found: dict[str, Any]) -> set[tuple[str, str]]:
    """Return what is referred to and is not there."""
    there = {(kind, name) for kind, each in found["resource"].items() for name in each}
    there |= {
        (f"data.{kind}", name) for kind, each in found.get("data", {}).items() for name in each
    }
    return {(kind, name) for kind, name, _ in REFERENCE.findall(json.dumps(found))} - there


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert problems({"terraform": {}, "resource": {}}) != []
    assert problems(terraform(deployment()) | {"resource": {"aws_sqs_queue": {"1x": {}}}}) != []


def test_everything_is_valid() -> None:
    found = terraform(deployment(**EVERYTHING))
    assert problems(found) == []
    assert dangling(found) == set()
    assert set(found["resource"]) == {
        "aws_sqs_queue",
        "aws_dynamodb_table",
        "aws_s3_bucket",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_lifecycle_configuration",
    }
    queue = found["resource"]["aws_sqs_queue"]["celery_hoge_pay_fifo"]
    assert queue["name"] == "hoge-pay.fifo"
    assert queue["fifo_queue"] is True
    assert queue["max_message_size"] == 1_048_576
    assert queue["redrive_policy"] == (
        "${jsonencode({deadLetterTargetArn = "
        "aws_sqs_queue.celery_hoge_pay_dead_letter_fifo.arn, maxReceiveCount = 10})}"
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=OPTIONS, results=RESULTS)
def test_whatever_is_asked_for_is_valid(options: dict[str, Any], results: dict[str, Any]) -> None:
    wanted = deployment(options=options, results=results, task_routes={"proj.pay": "pay.fifo"})
    found = terraform(wanted)
    assert problems(found) == []
    assert dangling(found) == set()
    names = {queue["name"] for queue in found["resource"]["aws_sqs_queue"].values()}
    assert names == {queue.name for queue in exported_queues(wanted)}


def test_an_allow_policy_has_a_resource_of_its_own() -> None:
    policy = {"redrivePermission": "denyAll"}
    attributes = {"RedriveAllowPolicy": policy, "Policy": {"Sid": "${aws:username} %{x}"}}
    found = terraform(deployment(options={"sqs-creation-attributes": attributes}))
    assert problems(found) == []
    (allowed,) = found["resource"]["aws_sqs_queue_redrive_allow_policy"].values()
    assert allowed["queue_url"] == "${aws_sqs_queue.celery_celery.id}"
    assert json.loads(allowed["redrive_allow_policy"]) == policy
    # IAM's variables are not Terraform's.
    queue = found["resource"]["aws_sqs_queue"]["celery_celery"]
    assert json.loads(queue["policy"]) == {"Sid": "$${aws:username} %%{x}"}


@pytest.mark.parametrize(
    ("key", "encryption", "data"),
    [
        ("alias/aws/dynamodb", {"enabled": True}, None),
        (
            "arn:aws:kms:us-east-1:123456789012:key/1234",
            {"enabled": True, "kms_key_arn": "arn:aws:kms:us-east-1:123456789012:key/1234"},
            None,
        ),
        (
            "alias/celery",
            {"enabled": True, "kms_key_arn": "${data.aws_kms_key.celery_results.arn}"},
            {"region": "us-east-1", "key_id": "alias/celery"},
        ),
    ],
)
def test_a_key_is_named_by_its_arn(
    key: str, encryption: dict[str, Any], data: dict[str, str] | None
) -> None:
    found = terraform(deployment(broker="memory://", results={"kms_key": key}))
    assert problems(found) == []
    table = found["resource"]["aws_dynamodb_table"]["celery_results"]
    assert table["server_side_encryption"] == encryption
    keys = found.get("data", {}).get("aws_kms_key", {})
    assert keys.get("celery_results") == data


def test_each_resource_names_its_region() -> None:
    wanted = deployment(backend="aws+dynamodb://@eu-west-1/results")
    tables = terraform(wanted)["resource"]["aws_dynamodb_table"]
    assert {table["name"]: table["region"] for table in tables.values()} == {
        "results": "eu-west-1",
        "celery-coordination": "us-east-1",
    }
    assert regions_of(wanted) == ["eu-west-1", "us-east-1"]


def test_tables_of_one_name_in_two_regions() -> None:
    wanted = deployment(
        options={"coordination_table": "results"}, backend="aws+dynamodb://@eu-west-1/results"
    )
    tables = terraform(wanted)["resource"]["aws_dynamodb_table"]
    assert {identifier: table["region"] for identifier, table in tables.items()} == {
        "celery_results": "eu-west-1",
        "celery_results_2": "us-east-1",
    }


def test_nothing_in_it_is_an_account_or_a_secret() -> None:
    wanted = deployment(broker="aws+sqs://AKIDEXAMPLE:very-secret@", **EVERYTHING)
    text = json.dumps(terraform(wanted))
    for word in ("AKIDEXAMPLE", "very-secret", "000000000000", "arn:aws"):
        assert word not in text
