import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from kombu import pools

from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.cli.provisioning import Provisioning


@pytest.fixture(autouse=True)
def _settings_of_the_test_alone(
    aws_environment: AwsEnvironment, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    # They would win over the configuration that a test gives.
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name)
    yield
    # Pools of connections are of the process, and by URL.
    pools.reset()


@pytest.fixture
def bucket() -> str:
    return f"test-{uuid4().hex[:12]}"


def everything(here: AwsEnvironment, bucket: str) -> Provisioning:
    return Provisioning(
        here,
        task_routes={"shop.pay": "pay.fifo"},
        task_queue_max_priority=9,
        broker_transport_options={
            "queue_tags": {"team": "web"},
            "large_message_bucket": bucket,
            "large_message_prefix": "tasks/",
            "coordination_point_in_time_recovery": True,
            "coordination_table_tags": {"team": "web"},
        },
        result_backend_transport_options={
            "read": 3,
            "write": 2,
            "deletion_protection": True,
            "kms_key": "alias/aws/dynamodb",
            "large_result_bucket": bucket,
            "large_result_prefix": "results/",
        },
    )


def url_of(here: AwsEnvironment, name: str) -> str:
    url: str = boto3.client("sqs").get_queue_url(QueueName=f"{here.queue_name_prefix}{name}")[
        "QueueUrl"
    ]
    return url


def test_everything_is_made_once(aws_environment: AwsEnvironment, bucket: str) -> None:
    shop = everything(aws_environment, bucket)
    prefix = aws_environment.queue_name_prefix
    assert shop.plan()["counts"] == {"create": 13, "change": 0, "leave": 0, "conflict": 0}
    made = shop.apply()
    assert f"[2/13] queue {prefix}celery: created" in made.stderr
    assert f"[13/13] bucket {bucket}: created" in made.stderr
    assert made.stdout == ""

    assert shop.to_do() == {}
    again = shop.apply("--json")
    assert json.loads(again.stdout)["counts"]["leave"] == 13
    assert "[1/" not in again.stderr

    rules = boto3.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [(rule["Filter"]["Prefix"], rule["Expiration"]["Days"]) for rule in rules] == [
        ("tasks/", 402),
        ("results/", 7),
    ]
    block = boto3.client("s3").get_public_access_block(Bucket=bucket)
    assert all(block["PublicAccessBlockConfiguration"].values())


def test_what_workers_have_made_is_as_planned(aws_environment: AwsEnvironment) -> None:
    shop = Provisioning(aws_environment, broker_transport_options={"queue_tags": {"team": "web"}})
    shop.app.send_task("shop.mail", countdown=3_600)  # parked: the coordination table
    shop.app.send_task("shop.mail")
    shop.app.backend.store_result("one", 1, "SUCCESS")
    assert shop.to_do() == {}


def test_it_asks_before_it_does_anything(aws_environment: AwsEnvironment) -> None:
    shop = Provisioning(aws_environment)
    refused = shop.run("apply", typed="n\n")
    assert refused.exit_code == 1
    assert "+ queue" in refused.stderr
    assert shop.plan()["counts"]["create"] == 4
    assert shop.run("apply", typed="y\n").exit_code == 0
    assert shop.to_do() == {}


def test_drift_is_shown_and_mended(aws_environment: AwsEnvironment, bucket: str) -> None:
    shop = everything(aws_environment, bucket)
    shop.apply()
    prefix = aws_environment.queue_name_prefix
    sqs, dynamodb, s3 = (boto3.client(name) for name in ("sqs", "dynamodb", "s3"))
    url = url_of(aws_environment, "celery")
    sqs.set_queue_attributes(
        QueueUrl=url,
        Attributes={"VisibilityTimeout": "7", "RedrivePolicy": "", "DelaySeconds": "3"},
    )
    sqs.untag_queue(QueueUrl=url, TagKeys=["team"])
    sqs.tag_queue(QueueUrl=url, Tags={"cost": "1"})
    sqs.delete_queue(QueueUrl=url_of(aws_environment, "pay.fifo"))
    dynamodb.update_table(TableName=aws_environment.results_table, BillingMode="PAY_PER_REQUEST")
    dynamodb.update_continuous_backups(
        TableName=f"{prefix}celery-coordination",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
    )
    s3.put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "logs",
                    "Status": "Enabled",
                    "Filter": {"Prefix": "logs/"},
                    "Expiration": {"Days": 2},
                }
            ]
        },
    )

    words = shop.run("plan")
    assert words.exit_code == 1
    assert f"~ queue {prefix}celery (us-east-1; tasks of celery)" in words.stdout
    assert "    VisibilityTimeout is 7, shall be 120" in words.stdout
    assert f"    RedrivePolicy is not set, shall be {prefix}celery-dead-letter after 10" in (
        words.stdout
    )
    assert shop.to_do() == {
        f"{prefix}celery": ["VisibilityTimeout", "RedrivePolicy", "tag team"],
        f"{prefix}pay.fifo": ["VisibilityTimeout", "FifoQueue", "RedrivePolicy", "tag team"],
        aws_environment.results_table: ["BillingMode"],
        f"{prefix}celery-coordination": ["PointInTimeRecovery"],
        bucket: [
            "lifecycle rule celery-aws-messages:tasks/",
            "lifecycle rule celery-aws-results:results/",
        ],
    }

    shop.apply()
    assert shop.to_do() == {}
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["DelaySeconds"] == "3"
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "web", "cost": "1"}
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rules[0]["ID"] == "logs"
    assert len(rules) == 3


def test_a_key_by_its_alias(aws_environment: AwsEnvironment) -> None:
    kms = boto3.client("kms")
    key = kms.create_key()["KeyMetadata"]
    alias = f"alias/{uuid4().hex}"
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    by_arn = Provisioning(aws_environment, result_backend_transport_options={"kms_key": key["Arn"]})
    by_arn.apply()
    by_alias = Provisioning(aws_environment, result_backend_transport_options={"kms_key": alias})
    assert by_alias.to_do() == {}
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName=alias, TargetKeyId=other)
    assert by_alias.to_do() == {aws_environment.results_table: ["KMSMasterKeyId"]}


def test_only_results(aws_environment: AwsEnvironment) -> None:
    shop = Provisioning(aws_environment, broker_url="memory://")
    assert [step["kind"] for step in shop.plan()["steps"]] == ["table"]
    shop.apply()
    assert shop.to_do() == {}


def test_predefined_queues_are_only_looked_at(aws_environment: AwsEnvironment) -> None:
    name = f"{aws_environment.queue_name_prefix}theirs"
    url = boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    shop = Provisioning(
        aws_environment,
        broker_transport_options={
            "predefined_queues": {"celery": {"url": url}},
            "coordination_table": False,
        },
        result_backend=None,
    )
    (step,) = shop.plan()["steps"]
    assert (step["name"], step["verdict"]) == (name, "leave")
    boto3.client("sqs").delete_queue(QueueUrl=url)
    (step,) = shop.plan()["steps"]
    assert step["verdict"] == "conflict"
    assert shop.run("apply", "--yes").exit_code == 1


def test_a_queue_that_the_configuration_does_not_name(aws_environment: AwsEnvironment) -> None:
    shop = Provisioning(aws_environment)
    shop.apply("--queue", "reports")
    assert url_of(aws_environment, "reports")
    assert url_of(aws_environment, "reports-dead-letter")


def test_a_conflict_is_exit_code_1_and_the_rest_is_done(aws_environment: AwsEnvironment) -> None:
    boto3.client("dynamodb").create_table(
        TableName=aws_environment.results_table,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    shop = Provisioning(aws_environment)
    ended = shop.run("apply", "--yes")
    assert ended.exit_code == 1
    assert "its primary key is pk (S), and has to be id (S)" in ended.stderr
    assert shop.plan()["counts"] == {"create": 0, "change": 0, "leave": 3, "conflict": 1}


#: What the CloudFormation of the local AWS does not look at (ministack 1.5.33, provisioners.py).
NOT_DEPLOYED = {
    "Encryption",
    "KMSMasterKeyId",
    "PointInTimeRecovery",
    "TimeToLive",
    "lifecycle rule celery-aws-messages:tasks/",
    "lifecycle rule celery-aws-results:results/",
}


def deploy(template: dict[str, Any]) -> None:
    client = boto3.client("cloudformation")
    name = f"test-{uuid4().hex}"
    client.create_stack(StackName=name, TemplateBody=json.dumps(template))
    client.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )


def test_a_stack_of_queues_is_as_planned(aws_environment: AwsEnvironment) -> None:
    shop = Provisioning(
        aws_environment,
        task_routes={"shop.pay": "pay.fifo"},
        task_queue_max_priority=9,
        broker_transport_options={
            "queue_tags": {"team": "web"},
            "coordination_table": False,
            "sqs-creation-attributes": {"KmsMasterKeyId": "alias/aws/sqs", "DelaySeconds": 3},
        },
        result_backend=None,
    )
    deploy(shop.export("cloudformation"))
    assert shop.plan()["counts"] == {"create": 0, "change": 0, "leave": 10, "conflict": 0}


def test_a_stack_of_everything_is_as_planned(aws_environment: AwsEnvironment, bucket: str) -> None:
    shop = everything(aws_environment, bucket)
    deploy(shop.export("cloudformation"))
    left = {name for differences in shop.to_do().values() for name in differences}
    assert left <= NOT_DEPLOYED
    assert shop.plan()["counts"]["create"] == 0
    shop.apply()
    assert shop.to_do() == {}


def test_a_stack_needs_to_know_its_region(aws_environment: AwsEnvironment) -> None:
    options = {"endpoint_url": aws_environment.endpoint_url}
    shop = Provisioning(
        aws_environment,
        result_backend=f"aws+dynamodb://@eu-west-1/{aws_environment.results_table}",
        result_backend_transport_options=options,
    )
    unsaid = shop.run("export", "--format", "cloudformation")
    assert unsaid.exit_code == 2
    assert "eu-west-1, us-east-1" in unsaid.stderr
    of_results = shop.export("cloudformation", "--region", "eu-west-1")["Resources"].values()
    assert [each["Type"] for each in of_results] == ["AWS::DynamoDB::Table"]
    assert len(shop.export("terraform")["resource"]["aws_dynamodb_table"]) == 2


def test_buckets_may_be_left_out(aws_environment: AwsEnvironment, bucket: str) -> None:
    shop = everything(aws_environment, bucket)
    assert bucket in json.dumps(shop.export("terraform"))
    assert bucket not in json.dumps(shop.export("terraform", "--without-buckets"))


class TestDestroy:
    def test_it_takes_away_what_was_made(self, aws_environment: AwsEnvironment) -> None:
        shop = Provisioning(aws_environment)
        shop.apply()
        ended = shop.destroy("--json")
        assert ended.exit_code == 0, ended.output
        facts = json.loads(ended.stdout)
        assert [table["kind"] for table in facts["tables"]] == ["results", "coordination"]
        assert [queue["purpose"] for queue in facts["queues"]] == ["tasks", "dead letters"]
        assert shop.plan()["counts"]["create"] == 4
        again = shop.destroy()
        assert again.exit_code == 0
        assert "There is nothing." in again.stderr

    def test_inboxes_go_too(self, aws_environment: AwsEnvironment) -> None:
        shop = Provisioning(aws_environment)
        prefix = aws_environment.queue_name_prefix
        name = f"{prefix}celery-inbox-{uuid4().hex}.fifo"
        sqs = boto3.client("sqs")
        sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
        ended = shop.destroy()
        assert f"- queue {name} (inbox; about 0 messages" in ended.stderr
        assert not sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls")

    def test_messages_are_refused(self, aws_environment: AwsEnvironment) -> None:
        shop = Provisioning(aws_environment)
        shop.apply()
        url = url_of(aws_environment, "celery")
        boto3.client("sqs").send_message(QueueUrl=url, MessageBody="x")
        refused = shop.destroy()
        assert refused.exit_code == 1
        assert "has about 1 messages" in refused.stderr
        assert "Nothing was deleted" in refused.stderr
        assert shop.to_do() == {}
        assert shop.destroy("--with-messages").exit_code == 0
        assert shop.plan()["counts"]["create"] == 4

    def test_another_name_is_refused(self, aws_environment: AwsEnvironment) -> None:
        shop = Provisioning(aws_environment)
        shop.apply()
        wrong = shop.run("destroy", "--yes-destroy", "another-")
        assert wrong.exit_code == 2
        assert "nothing was deleted" in wrong.stderr
        typed = shop.run("destroy", typed="yes\n")
        assert typed.exit_code == 2
        assert shop.to_do() == {}
        prefix = aws_environment.queue_name_prefix
        assert shop.run("destroy", typed=f"{prefix}\n").exit_code == 0
        assert shop.plan()["counts"]["create"] == 4

    def test_a_protected_table_stops_it(self, aws_environment: AwsEnvironment, bucket: str) -> None:
        shop = everything(aws_environment, bucket)
        shop.apply()
        refused = shop.destroy("--with-messages")
        assert refused.exit_code == 1
        assert "deletion protection" in refused.stderr
        assert shop.to_do() == {}

    def test_a_bucket_with_an_object_stays(
        self, aws_environment: AwsEnvironment, bucket: str
    ) -> None:
        shop = Provisioning(
            aws_environment,
            broker_transport_options={
                "large_message_bucket": bucket,
                "large_message_prefix": "tasks/",
            },
        )
        shop.apply()
        s3 = boto3.client("s3")
        s3.put_object(Bucket=bucket, Key="tasks/1", Body=b"x")
        assert shop.destroy().exit_code == 0
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
        s3.delete_object(Bucket=bucket, Key="tasks/1")
        assert shop.destroy().exit_code == 0
        assert bucket not in [each["Name"] for each in s3.list_buckets()["Buckets"]]


def test_an_aws_that_does_not_answer_is_exit_code_3(aws_environment: AwsEnvironment) -> None:
    shop = Provisioning(aws_environment, broker_url="aws+sqs://test:test@127.0.0.1:9")
    ended = shop.run("plan")
    assert ended.exit_code == 3
    assert "Could not connect" in ended.stderr


def test_neither_broker_nor_results_is_exit_code_2(aws_environment: AwsEnvironment) -> None:
    shop = Provisioning(aws_environment, broker_url="memory://", result_backend="cache+memory://")
    assert shop.run("plan").exit_code == 2
