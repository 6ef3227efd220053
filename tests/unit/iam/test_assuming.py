from celery_aws.iam.assuming import assumed_roles, caller_policy, trust_policy
from tests.unit.iam.deployments import ACCOUNT, deployment_with

ROLE = f"arn:aws:iam::{ACCOUNT}:role/celery"
CALLER = f"arn:aws:iam::{ACCOUNT}:role/ecs-task"


def test_roles_are_named_once() -> None:
    deployment = deployment_with(sts_role_arn=ROLE, results={"sts_role_arn": ROLE})
    assert assumed_roles(deployment) == (ROLE,)
    assert assumed_roles(deployment_with()) == ()


def test_both_sides() -> None:
    (allowed,) = caller_policy((ROLE,)).as_json()["Statement"]
    assert (allowed["Action"], allowed["Resource"]) == ("sts:AssumeRole", ROLE)
    (trusted,) = trust_policy((CALLER,)).as_json()["Statement"]
    assert (trusted["Principal"], "Resource" in trusted) == ({"AWS": CALLER}, False)
