import json
from typing import Any

import pytest

from celery_aws.aws.bucket_administration import Lifecycle
from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.deployment import Deployment
from celery_aws.names import BucketName, QueueName, TableName
from celery_aws.provision import cloudformation
from celery_aws.testing.memory_buckets import MemoryBucket
from tests.unit.provision.account import REGION, Account, deployment
from tests.unit.provision.test_applying import EVERYTHING

PREDEFINED = {"celery": {"url": "https://sqs.us-east-1.amazonaws.com/123456789012/celery"}}
OTHERS = "arn:aws:dynamodb:us-east-1:123456789012:table/results"


class Stack:
    """CloudFormation, as far as the templates go: makes what they say, in an account."""

    def __init__(self, account: Account, template: dict[str, Any]) -> None:
        self._account = account
        self._arns: dict[str, str] = {}
        makers = {
            "AWS::SQS::Queue": self._queue,
            "AWS::SQS::QueuePolicy": self._policy,
            "AWS::DynamoDB::Table": self._table,
            "AWS::S3::Bucket": self._bucket,
        }
        for identifier, resource in template["Resources"].items():
            makers[resource["Type"]](identifier, resource["Properties"])

    def _queue(self, identifier: str, properties: dict[str, Any]) -> None:
        attributes = {
            name: self._attribute(value)
            for name, value in properties.items()
            if name not in ("QueueName", "Tags")
        }
        queues = self._account.queues
        url = queues.create_queue(QueueName(properties["QueueName"]), attributes, _tags(properties))
        self._arns[identifier] = queues.queue_attributes(url, ["QueueArn"])["QueueArn"]

    def _attribute(self, value: Any) -> str:
        if isinstance(value, dict):
            resolved = {
                key: self._arns[each["Fn::GetAtt"][0]] if isinstance(each, dict) else each
                for key, each in value.items()
            }
            return json.dumps(resolved)
        return json.dumps(value) if isinstance(value, bool) else str(value)

    def _policy(self, _: str, properties: dict[str, Any]) -> None:
        for queue in properties["Queues"]:
            name = QueueName(self._arns[queue["Ref"]].split(":")[-1])
            self._account.queues.set_queue_attributes(
                self._account.queues.queue_url(name),
                {"Policy": json.dumps(properties["PolicyDocument"])},
            )

    def _table(self, _: str, properties: dict[str, Any]) -> None:
        kinds = {
            each["AttributeName"]: each["AttributeType"]
            for each in properties["AttributeDefinitions"]
        }
        keys = [
            KeyAttribute(name=each["AttributeName"], kind=kinds[each["AttributeName"]])
            for each in properties["KeySchema"]
        ]
        throughput = properties.get("ProvisionedThroughput", {})
        encryption = properties.get("SSESpecification", {})
        spec = TableSpec(
            hash_key=keys[0],
            range_key=keys[1] if keys[1:] else None,
            read_capacity=throughput.get("ReadCapacityUnits"),
            write_capacity=throughput.get("WriteCapacityUnits"),
            kms_key=encryption.get("KMSMasterKeyId", "alias/aws/dynamodb") if encryption else None,
            tags=_tags(properties),
            deletion_protection=properties.get("DeletionProtectionEnabled", False),
        )
        name = TableName(properties["TableName"])
        self._account.tables.create_table(name, spec)
        ttl = properties["TimeToLiveSpecification"]
        assert ttl["Enabled"]
        self._account.tables.enable_ttl(name, ttl["AttributeName"])
        if properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
            self._account.tables.enable_recovery(name)

    def _bucket(self, _: str, properties: dict[str, Any]) -> None:
        rules = properties.get("LifecycleConfiguration", {"Rules": []})["Rules"]
        self._account.buckets.buckets[BucketName(properties["BucketName"])] = MemoryBucket(
            region=REGION,
            public_access_blocked=all(properties["PublicAccessBlockConfiguration"].values()),
            encrypted="BucketEncryption" in properties,
            lifecycle=Lifecycle(
                rules=tuple(
                    {
                        "ID": rule["Id"],
                        "Status": rule["Status"],
                        "Filter": {"Prefix": rule["Prefix"]},
                        "Expiration": {"Days": rule["ExpirationInDays"]},
                    }
                    for rule in rules
                )
            ),
        )


def _tags(properties: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags", ())}


def with_policy() -> Deployment:
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sqs:*"}]}
    attributes = {"Policy": policy, "SqsManagedSseEnabled": "false", "MaximumMessageSize": 2048}
    return deployment(options={"sqs-creation-attributes": attributes})


def results_only() -> Deployment:
    return deployment(broker="memory://")


def everything() -> Deployment:
    return deployment(**EVERYTHING)


@pytest.mark.parametrize("wanted", [everything, with_policy, results_only])
def test_a_stack_of_it_is_as_planned(account: Account, wanted: Any) -> None:
    Stack(account, cloudformation(wanted(), REGION))
    plan = account.plan(wanted())
    assert plan.is_empty, plan.to_do


def test_what_is_made_elsewhere_is_left_out(bare_environment: pytest.MonkeyPatch) -> None:
    wanted = deployment(
        options={"predefined_queues": PREDEFINED, "coordination_table": False},
        backend=f"aws+dynamodb://@{REGION}/{OTHERS}",
    )
    assert cloudformation(wanted, REGION)["Resources"] == {}


def test_a_stack_is_in_one_region(bare_environment: pytest.MonkeyPatch) -> None:
    wanted = deployment(backend="aws+dynamodb://@eu-west-1/results")
    kinds = [
        [resource["Type"] for resource in cloudformation(wanted, region)["Resources"].values()]
        for region in (REGION, "eu-west-1")
    ]
    assert kinds == [
        ["AWS::SQS::Queue", "AWS::SQS::Queue", "AWS::DynamoDB::Table"],
        ["AWS::DynamoDB::Table"],
    ]


def test_nothing_in_it_is_an_account_or_a_secret(bare_environment: pytest.MonkeyPatch) -> None:
    wanted = deployment(broker="aws+sqs://AKIDEXAMPLE:very-secret@", **EVERYTHING)
    text = json.dumps(cloudformation(wanted, REGION))
    for word in ("AKIDEXAMPLE", "very-secret", "000000000000", "arn:aws"):
        assert word not in text


def test_it_stays_when_the_stack_goes(bare_environment: pytest.MonkeyPatch) -> None:
    resources = cloudformation(everything(), REGION)["Resources"].values()
    assert {resource["DeletionPolicy"] for resource in resources} == {"RetainExceptOnCreate"}
    assert {resource["UpdateReplacePolicy"] for resource in resources} == {"Retain"}


def test_names_that_look_alike_are_told_apart(bare_environment: pytest.MonkeyPatch) -> None:
    wanted = deployment(
        options={"max_receive_count": 0, "coordination_table": False},
        backend=None,
        task_routes={"a": "a-b", "b": "a_b"},
        task_default_queue="a--b",
    )
    assert list(cloudformation(wanted, REGION)["Resources"]) == ["QueueAB", "QueueAB2", "QueueAB3"]


def test_a_policy_does_not_take_the_place_of_a_queue() -> None:
    wanted = deployment(
        options={"sqs-creation-attributes": {"Policy": '{"Statement": []}'}},
        task_routes={"a": "celery", "b": "celery.policy"},
    )
    kinds = [each["Type"] for each in cloudformation(wanted, REGION)["Resources"].values()]
    assert kinds.count("AWS::SQS::QueuePolicy") == 2
