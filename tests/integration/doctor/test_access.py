"""Rights, keys, endpoints and failures: what is not answered is a finding, and ends no other."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import boto3
import pytest

from celery_aws.aws.identity import Identity
from celery_aws.deployment import deployment_of
from celery_aws.iam import Role, policy
from celery_aws.local import LocalAws
from celery_aws.names import AccountId
from celery_aws.testing import FaultProxy
from celery_aws.testing.fixtures import AwsEnvironment, new_environment
from celery_aws.testing.proxy_faults import INTERNAL_ERROR, Cut
from tests.integration.doctor.conftest import Patient, patient_at

NewPatient = Callable[[AwsEnvironment], Patient]

#: What is of no use to anybody: a port where nothing listens.
NOWHERE = "127.0.0.1:9"


@pytest.fixture(scope="module")
def strict_aws() -> Iterator[LocalAws]:
    """An AWS that checks signatures and rights."""
    with LocalAws(auth=True) as aws:
        yield aws


@pytest.fixture
def strict(
    strict_aws: LocalAws, new_patient: NewPatient, monkeypatch: pytest.MonkeyPatch
) -> Patient:
    """An app for which everything was made, on an AWS that checks rights; it asks as root."""
    environment = new_environment(strict_aws)
    for name, value in environment.variables.items():
        monkeypatch.setenv(name, value)
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name)
    found = new_patient(environment)
    found.provision()
    return found


def user_with(patient: Patient, policy: dict[str, Any]) -> tuple[str, str]:
    """Return the key pair of a user with a policy."""
    iam, user = boto3.client("iam"), patient.here.results_table
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def policy_of(patient: Patient, role: str, *, without: str = "", more: str = "") -> dict[str, Any]:
    """Return the policy that ``celery aws iam`` prints for a role, without or with an action."""
    identity = Identity(account=AccountId("000000000000"), arn="arn:aws:iam::000000000000:root")
    document = policy(deployment_of(patient.app), Role(role), identity).as_json()
    for statement in document["Statement"]:
        actions = statement["Action"]
        several = [actions] if isinstance(actions, str) else actions
        statement["Action"] = [each for each in several if each != without]
    statements = [each for each in document["Statement"] if each["Action"]]
    if more:
        statements.append({"Effect": "Allow", "Action": more, "Resource": "*"})
    return {**document, "Statement": statements}


@pytest.mark.parametrize("role", ["worker", "producer", "monitor"])
def test_who_has_the_policy_of_a_role(strict: Patient, role: str) -> None:
    found = strict.asking_with(*user_with(strict, policy_of(strict, role)))
    assert found.ids("--role", role) == ["not-examined"]


@pytest.mark.parametrize("simulates", [False, True], ids=["tried", "simulated"])
@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sqs:ChangeMessageVisibility", "{prefix}celery"),
        ("dynamodb:UpdateItem", "table/{table}"),
        ("dynamodb:Query", "table/{prefix}celery-coordination"),
    ],
)
def test_what_the_role_may_not_do(
    strict: Patient, action: str, resource: str, simulates: bool
) -> None:
    more = "iam:SimulatePrincipalPolicy" if simulates else ""
    limited = policy_of(strict, "worker", without=action, more=more)
    user = strict.asking_with(*user_with(strict, limited))
    found = user.findings()["permission-denied"]
    names = {"prefix": strict.here.queue_name_prefix, "table": strict.here.results_table}
    assert found["what"].endswith(f":{resource.format(**names)}")
    assert found["evidence"].startswith(f"{action}: ")


def test_who_may_nothing(strict: Patient) -> None:
    nothing = {"Effect": "Allow", "Action": "sqs:PurgeQueue", "Resource": "*"}
    user = strict.asking_with(*user_with(strict, {"Statement": [nothing]}))
    assert user.ids() == ["not-examined", "permission-denied"]


def test_attributes_that_may_not_be_seen(strict: Patient) -> None:
    limited = policy_of(strict, "worker", without="sqs:GetQueueAttributes")
    user = strict.asking_with(*user_with(strict, limited))
    assert "queue-attributes-denied" in user.ids()


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_no_secret_is_ever_shown(strict: Patient, arguments: tuple[str, ...]) -> None:
    key, secret = user_with(strict, policy_of(strict, "worker"))
    for given in (secret, secret[::-1], f"not/the+{secret}"):
        shown = strict.asking_with(key, given).run(*arguments).output
        assert "not-examined" in shown or "credentials-refused" in shown
        assert given not in shown
        assert quote(given, safe="") not in shown


def test_a_wrong_key(strict: Patient) -> None:
    user = strict.asking_with("AKIAUNKNOWNTOANYBODY", "a-secret-of-somebody-else")
    assert user.ids() == ["credentials-refused"]
    ended = user.run()
    assert ended.exit_code == 3
    assert "ERROR credentials-refused\n" in ended.stdout
    assert "    * sqs of the broker: " in ended.stdout


def test_nothing_answers(aws_environment: AwsEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name)
    nobody = patient_at(
        aws_environment,
        broker_url=f"aws+sqs://k:s@{NOWHERE}",
        result_backend=f"aws+dynamodb://k:s@{NOWHERE}/nowhere?region=us-east-1",
    )
    found = nobody.findings()
    assert found.keys() == {"aws-unreachable"}  # and the exit code is 3


def test_one_of_two_does_not_answer(patient: Patient) -> None:
    patient.options(coordination_endpoint_url=f"http://{NOWHERE}")
    patient.set(DelaySeconds="7")
    found = patient.findings()
    assert found.keys() == {"aws-unreachable", "queue-delays-messages"}
    assert found["aws-unreachable"]["what"] == "dynamodb of the coordination table"


@pytest.mark.parametrize(
    ("operation", "what"),
    [
        ("sqs.GetQueueAttributes", "queue"),
        ("dynamodb.DescribeTimeToLive", "table"),
        ("sqs.ListQueues", "names of all queues"),
    ],
)
def test_a_request_that_fails_ends_no_other(
    proxied_environment: AwsEnvironment,
    fault_proxy: FaultProxy,
    new_patient: NewPatient,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    what: str,
) -> None:
    for name, value in proxied_environment.variables.items():
        monkeypatch.setenv(name, value)
    patient = new_patient(proxied_environment)
    patient.provision()
    boto3.client("sqs").create_queue(QueueName=patient.name(f"celeryev-{'0' * 36}"))
    expire(patient.here.results_table, on=False)

    with fault_proxy.switched_on(INTERNAL_ERROR, operations=[operation]):
        found = patient.findings()

    assert what in found["request-failed"]["what"]
    others = {"table-expiry-off", "stock-queues-left"} - spoiled_by(operation)
    assert others <= found.keys()
    assert "request-failed" not in patient.ids()


def test_a_connection_that_breaks_in_the_middle(
    proxied_environment: AwsEnvironment,
    fault_proxy: FaultProxy,
    new_patient: NewPatient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in proxied_environment.variables.items():
        monkeypatch.setenv(name, value)
    patient = new_patient(proxied_environment)
    patient.provision()
    with fault_proxy.switched_on(Cut(), operations=["sqs.GetQueueAttributes"]):
        assert patient.ids() == ["request-failed"]


def expire(table: str, *, on: bool) -> None:
    specification: Any = {"Enabled": on, "AttributeName": "ttl"}
    boto3.client("dynamodb").update_time_to_live(
        TableName=table, TimeToLiveSpecification=specification
    )


def spoiled_by(operation: str) -> set[str]:
    """Return what cannot be found when a question fails."""
    return {
        "dynamodb.DescribeTimeToLive": {"table-expiry-off"},
        "sqs.ListQueues": {"stock-queues-left"},
    }.get(operation, set())
