"""``celery aws iam`` on an AWS that checks rights."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result

from celery_aws.cli import aws
from celery_aws.iam import PolicyDocument, Role, policy
from celery_aws.iam.document import Statement
from celery_aws.local import LocalAws
from celery_aws.testing.fixtures import AwsEnvironment, new_environment
from tests.integration.policed import User, Users, account, app_of, deployed, provision

BUCKET = "iam-check"


class Shop:
    """An app whose resources are there, and users that may do this or that."""

    def __init__(self, environment: AwsEnvironment) -> None:
        self.config: dict[str, Any] = environment.celery_config()
        options = {"large_message_bucket": BUCKET, "large_message_prefix": "tasks/"}
        self.config["broker_transport_options"] |= options
        self.users = Users("shop-")
        self.deployment = deployed(self.config)
        provision(self.config, self.users.make("operator", self.policy(Role.PROVISIONER)))

    def policy(self, role: Role) -> PolicyDocument:
        return policy(self.deployment, role, account())

    def run(self, *arguments: str, user: User | None = None) -> Result:
        app: Celery = app_of(user.config(self.config) if user is not None else self.config)
        context = CLIContext(app=app, no_color=True, workdir=None)
        return CliRunner().invoke(aws, ["iam", *arguments], obj=context)

    def contents(self) -> list[int]:
        """Return how many messages, items and objects there are."""
        sqs, s3 = boto3.client("sqs"), boto3.client("s3")
        queues = sqs.list_queues(QueueNamePrefix="test-").get("QueueUrls", ())
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        messages = [
            int(number)
            for url in queues
            for number in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)[
                "Attributes"
            ].values()
        ]
        tables = (boto3.resource("dynamodb").Table(each.name) for each in self.deployment.tables)
        items = [table.scan()["Count"] for table in tables]
        return [*messages, *items, s3.list_objects_v2(Bucket=BUCKET)["KeyCount"]]

    def check(self, role: Role, user: User) -> tuple[int, dict[str, str], str]:
        """Return the exit code, the verdict of each statement, and how they were found."""
        result = self.run(role.value, "--check", "--json", user=user)
        report = json.loads(result.stdout)
        verdicts = {each["sid"]: each["verdict"] for each in report["statements"]}
        return result.exit_code, verdicts, report["how"]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with pytest.MonkeyPatch.context() as monkeypatch, LocalAws(auth=True) as local_aws:
        environment = new_environment(local_aws)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.variables.items():
            monkeypatch.setenv(name, value)
        for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
            monkeypatch.delenv(name)
        yield Shop(environment)


def also_simulating(document: PolicyDocument) -> PolicyDocument:
    simulate = Statement(sid="Simulate", actions=("iam:SimulatePrincipalPolicy",), resources=("*",))
    return PolicyDocument(statements=(*document.statements, simulate))


@pytest.mark.parametrize("role", Role)
def test_the_policy_of_the_account_that_is_asked(shop: Shop, role: Role) -> None:
    result = shop.run(role.value)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == shop.policy(role).as_json()


def test_without_asking_aws(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    result = shop.run("worker", "--account", "123456789012")
    assert result.exit_code == 0
    assert ":123456789012:" in result.stdout


@pytest.mark.parametrize("role", Role)
def test_simulated(shop: Shop, role: Role) -> None:
    document = shop.policy(role)
    user = shop.users.make(f"simulated-{role.value}", also_simulating(document))
    code, verdicts, how = shop.check(role, user)
    assert code == 0, verdicts
    assert set(verdicts.values()) == {"allowed"}
    assert "simulation" in how


#: The first two by their conditions alone, of which the local AWS simulates nothing. Of the
#: others a call is tried too, and the local AWS tells everybody what is not there.
ALIKE = {"CountParkedTasks", "ReadUsage", "MissLargeMessages", "MissLargeResults"}

#: The same of a migrator, who may do as much with other items of the coordination table.
ALIKE_OF_MIGRATORS = {"CommandWorkers", "FindClaimedTasks", "KnowCopies", "KnowRevoked"}


@pytest.mark.parametrize("role", Role)
def test_each_statement_that_is_missing_is_found_by_simulation(shop: Shop, role: Role) -> None:
    document = shop.policy(role)
    alike = ALIKE | (ALIKE_OF_MIGRATORS if role is Role.MIGRATOR else set())
    for number, statement in enumerate(document.statements):
        if statement.sid in alike:
            continue
        maimed = also_simulating(document.without(statement.sid))
        user = shop.users.make(f"maimed-{role.value}-{number}", maimed)
        code, verdicts, _ = shop.check(role, user)
        assert code == 1
        assert [sid for sid, each in verdicts.items() if each == "denied"] == [statement.sid]


#: What cannot be tried without changing anything.
UNKNOWN = {
    Role.PRODUCER: {"SendTasks", "LargeMessages"},
    Role.WORKER: {"WorkOnTasks", "MoveToDeadLetters", "KeepInbox", "LargeMessages"},
    Role.MONITOR: {"KeepInbox"},
}


@pytest.mark.parametrize("role", UNKNOWN)
def test_tried(shop: Shop, role: Role) -> None:
    user = shop.users.make(f"tried-{role.value}", shop.policy(role))
    code, verdicts, how = shop.check(role, user)
    assert code == 0, verdicts
    assert {sid for sid, each in verdicts.items() if each == "unknown"} == UNKNOWN[role]
    assert set(verdicts.values()) == {"allowed", "unknown"}
    assert "iam:SimulatePrincipalPolicy" in how


@pytest.mark.parametrize("role", UNKNOWN)
def test_most_that_is_missing_is_found_by_trying(shop: Shop, role: Role) -> None:
    nobody = shop.users.make(f"nobody-{role.value}")
    code, verdicts, _ = shop.check(role, nobody)
    assert code == 1
    left = {sid for sid, each in verdicts.items() if each != "denied"}
    assert left <= {"KeepInbox", "LargeMessages", "MissLargeMessages"}


def test_trying_changes_nothing(shop: Shop) -> None:
    before = shop.contents()
    for role in UNKNOWN:
        shop.check(role, shop.users.make(f"careful-{role.value}", shop.policy(role)))
    assert shop.contents() == before


def test_words(shop: Shop) -> None:
    nobody = shop.users.make("nobody")
    result = shop.run("producer", "--check", user=nobody)
    assert result.exit_code == 1
    assert "denied   SendTasks\n" in result.stdout
    assert "denied: sqs:GetQueueUrl on arn:aws:sqs:" in result.stdout
    assert "By calls that change nothing" in result.stderr
    assert nobody.secret_access_key not in result.output
