"""``celery aws iam`` without AWS; with it: tests/integration/cli."""

import json
from typing import Any

import pytest
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result

from celery_aws.cli import aws
from celery_aws.iam import PolicyOptions, Role, policy
from tests.unit.iam.deployments import (
    ACCOUNT,
    BROKER,
    OTHER_ACCOUNT,
    REGION,
    RESULTS,
    app_with,
    deployment_with,
    identity,
    queue_url,
)

ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/celery"
MANY: dict[str, Any] = {"task_routes": {f"proj.t{n}": f"queue-{n}" for n in range(100)}}


def run(*arguments: str, broker: str = BROKER, **conf: Any) -> Result:
    options = {
        "region": REGION,
        "queue_name_prefix": "shop-",
        **conf.pop("broker_transport_options", {}),
    }
    app = app_with(broker, RESULTS, broker_transport_options=options, **conf)
    context = CLIContext(app=app, no_color=True, workdir=None)
    return CliRunner().invoke(aws, ["iam", *arguments, "--account", ACCOUNT], obj=context)


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("role", Role)
def test_the_policy_is_all_of_the_output(role: Role) -> None:
    assert printed(run(role.value)) == policy(deployment_with(), role, identity()).as_json()


def test_options_of_the_policy() -> None:
    options = PolicyOptions(creates=True, destroys=True)
    expected = policy(deployment_with(), Role.PROVISIONER, identity(), options).as_json()
    assert printed(run("provisioner", "--allow-create", "--allow-destroy")) == expected


def test_a_queue_that_nobody_has_named() -> None:
    result = run("producer", "--queue", "rare")
    assert f"arn:aws:sqs:{REGION}:{ACCOUNT}:shop-rare" in result.stdout


def test_a_policy_that_is_too_long_is_a_finding() -> None:
    result = run("producer", **MANY)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["Version"] == "2012-10-17"
    assert "6144" in result.stderr
    assert "--split" in result.stderr


def test_split() -> None:
    documents = printed(run("worker", "--split", **MANY))
    assert len(documents) > 1
    template = printed(run("worker", "--split", "--format", "cloudformation", **MANY))
    assert len(template["Resources"]) == len(documents)


def test_fold() -> None:
    document = printed(run("producer", "--fold", **MANY))
    assert document["Statement"][0]["Resource"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:shop-*"


def test_folding_names_without_a_prefix_is_refused() -> None:
    unlike: dict[str, Any] = {
        "broker_transport_options": {"queue_name_prefix": ""},
        "task_routes": {"a": "mail"},
    }
    result = run("producer", "--fold", **unlike)
    assert result.exit_code == 2
    assert "queue_name_prefix" in result.stderr


@pytest.mark.parametrize("form", ["cloudformation", "terraform"])
def test_formats(form: str) -> None:
    assert "sqs:SendMessage" in json.dumps(printed(run("worker", "--format", form)))


def test_who_assumes_a_role() -> None:
    assumed: dict[str, Any] = {"broker_transport_options": {"sts_role_arn": ROLE_ARN}}
    result = run("worker", "--caller", **assumed)
    assert printed(result)["Statement"][0]["Resource"] == ROLE_ARN
    assert ROLE_ARN in result.stderr
    trust = printed(run("worker", "--trust", "--principal", "arn:aws:iam::1:role/x", **assumed))
    assert trust["Statement"][0]["Principal"] == {"AWS": "arn:aws:iam::1:role/x"}
    account = printed(run("worker", "--trust", **assumed))["Statement"][0]["Principal"]
    assert account == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


def test_nobody_is_assumed() -> None:
    result = run("worker", "--caller")
    assert result.exit_code == 2
    assert "sts_role_arn" in result.stderr


def test_resource_policies() -> None:
    theirs = {"celery": {"url": queue_url("theirs", OTHER_ACCOUNT)}}
    result = run(
        "worker", "--resource-policies", broker_transport_options={"predefined_queues": theirs}
    )
    assert list(printed(result)) == [f"arn:aws:sqs:{REGION}:{OTHER_ACCOUNT}:theirs"]
    assert "--dead-letter-queue" in result.stderr


def test_what_is_not_known_is_said() -> None:
    result = run("producer", task_routes="tests.nowhere.route", task_send_sent_event=True)
    assert "tests.nowhere.route" in result.stderr
    assert "may command workers" in result.stderr


def test_secrets_are_not_shown() -> None:
    secret = "sEcReT"
    result = run("worker", broker=f"aws+sqs://AKIAEXAMPLE:{secret}@")
    assert result.exit_code == 0
    assert secret not in result.output


@pytest.mark.parametrize("account", ["12345", "12345678901x"])
def test_what_is_no_account(account: str) -> None:
    context = CLIContext(app=app_with(BROKER, RESULTS), no_color=True, workdir=None)
    result = CliRunner().invoke(aws, ["iam", "worker", "--account", account], obj=context)
    assert result.exit_code == 2
    assert "12 digits" in result.stderr
