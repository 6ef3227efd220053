"""Policies, as golden files: who changes one changes what somebody's processes may do."""

import json
from pathlib import Path
from typing import Any

import pytest

from celery_aws.iam import PolicyOptions, Role, policy
from tests.unit.iam.deployments import DEPLOYMENTS, deployment_with, identity

GOLDEN = Path(__file__).parents[2] / "golden" / "policies"


def written(name: str) -> dict[str, Any]:
    given, options = DEPLOYMENTS[name]
    deployment = deployment_with(**given)
    return {role.value: policy(deployment, role, identity(), options).as_json() for role in Role}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_golden(name: str) -> None:
    assert written(name) == json.loads((GOLDEN / f"{name}.json").read_text())


def test_every_golden_file_is_compared() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(DEPLOYMENTS)


@pytest.mark.parametrize("name", DEPLOYMENTS)
@pytest.mark.parametrize("role", Role)
def test_statements_have_names_of_their_own_and_something_to_say(name: str, role: Role) -> None:
    given, options = DEPLOYMENTS[name]
    statements = policy(deployment_with(**given), role, identity(), options).statements
    sids = [each.sid for each in statements]
    assert len(sids) == len(set(sids))
    assert all(sid.isalnum() for sid in sids)
    assert all(each.actions and each.resources for each in statements)


@pytest.mark.parametrize("name", DEPLOYMENTS)
@pytest.mark.parametrize("role", Role)
def test_stars_are_only_where_no_name_can_be(name: str, role: Role) -> None:
    given, options = DEPLOYMENTS[name]
    for statement in policy(deployment_with(**given), role, identity(), options).statements:
        assert not any("*" in action for action in statement.actions)
        starred = [each for each in statement.resources if "*" in each]
        for resource in starred:
            inbox = ":shop-celery-inbox-*.fifo" in resource
            objects = statement.sid.startswith("Large") and ":s3:::" in resource
            known_by_alias = "kms:ResourceAliases" in json.dumps(statement.as_json())
            no_resource = statement.sid in ("FindInboxes", "FindLeftovers", "ReadAges")
            stock = resource.endswith((":shop-celeryev-*", ":shop-*-celery-pidbox"))
            assert inbox or objects or known_by_alias or no_resource or stock, statement


def test_a_key_that_aws_manages_is_looked_up_by_who_plans_and_by_nobody_else() -> None:
    deployment = deployment_with(coordination_kms_key="alias/aws/dynamodb")
    actions = {
        role: [
            action
            for statement in policy(deployment, role, identity()).statements
            for action in statement.actions
            if action.startswith("kms:")
        ]
        for role in Role
    }
    assert actions.pop(Role.PROVISIONER) == ["kms:DescribeKey"]
    assert not any(actions.values())


def test_partitions() -> None:
    deployment = deployment_with(
        result_backend="aws+dynamodb://@cn-north-1/results",
        region="cn-north-1",
        large_message_bucket="big",
        coordination_kms_key="some-id",
    )
    text = policy(deployment, Role.WORKER, identity("cn-north-1")).text()
    assert "arn:aws:" not in text
    assert "arn:aws-cn:sqs:cn-north-1:123456789012:shop-celery" in text
    assert "arn:aws-cn:s3:::big/*" in text
    assert "arn:aws-cn:kms:cn-north-1:123456789012:key/some-id" in text
    assert "dynamodb.cn-north-1.amazonaws.com.cn" in text


def test_a_prefix_of_results_is_in_the_keys() -> None:
    deployment = deployment_with(results={"global_keyprefix": "shop"})
    text = policy(deployment, Role.PRODUCER, identity()).text()
    assert "b'shop_celery-taskset-meta-*" in text


def test_without_leave_to_create_there_is_no_creation() -> None:
    closed = deployment_with(create_missing_queues=False, create_coordination_table=False)
    text = policy(closed, Role.WORKER, identity(), PolicyOptions(creates=True)).text()
    assert "CreateQueues" not in text
    assert "table/results" in text.partition("CreateTables")[2]
    assert "coordination" not in text.partition("CreateTables")[2]
