from typing import Any

from celery_aws.iam import Role, policy
from celery_aws.iam.resource_policies import resource_policies
from celery_aws.iam.resources import Resources, owner_of_url
from tests.unit.iam.deployments import ACCOUNT, DEPLOYMENTS, deployment_with, identity

THEIRS = "arn:aws:sqs:eu-west-1:210987654321:theirs"
THEIR_TABLE = "arn:aws:dynamodb:eu-west-1:210987654321:table/results"


def attached(name: str, *principals: str) -> dict[str, dict[str, Any]]:
    given, options = DEPLOYMENTS[name]
    deployment = deployment_with(**given)
    found = Resources(
        deployment=deployment,
        identity=identity(),
        other_dead_letters=options.dead_letter_queues,
    )
    document = policy(deployment, Role.WORKER, identity(), options)
    return {
        arn: each.as_json() for arn, each in resource_policies(document, found, principals).items()
    }


def test_for_what_is_another_accounts() -> None:
    found = attached("cross-account")
    assert set(found) == {THEIRS, f"{THEIRS}-dead", THEIR_TABLE}
    (statement,) = found[f"{THEIRS}-dead"]["Statement"]
    assert statement == {
        "Sid": "MoveToDeadLetters",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": ["sqs:GetQueueUrl", "sqs:SendMessage"],
        "Resource": f"{THEIRS}-dead",
    }


def test_for_somebody() -> None:
    somebody = f"arn:aws:iam::{ACCOUNT}:role/worker"
    (statement,) = attached("cross-account", somebody)[THEIRS]["Statement"]
    assert statement["Principal"] == {"AWS": somebody}


def test_nothing_for_what_is_ones_own() -> None:
    assert attached("buckets-and-keys") == {}


def test_the_owner_of_a_queue() -> None:
    assert owner_of_url("https://sqs.eu-west-1.amazonaws.com/123456789012/celery") == ACCOUNT
    assert owner_of_url("http://127.0.0.1:4566/queue/celery") is None
