"""Queues, tables and buckets: spoiled, found, mended as the remedy says, and found healthy."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from kombu import Queue

from celery_aws import request_counts
from tests.integration.doctor.conftest import Patient


def test_before_anything_was_made(stranger: Patient) -> None:
    assert stranger.ids() == ["queue-not-yet-made", "table-not-yet-made"]


@pytest.mark.parametrize("role", ["worker", "producer", "monitor"])
def test_a_provisioned_app_is_healthy(patient: Patient, role: str) -> None:
    assert patient.findings("--role", role) == {}
    assert patient.run("--role", role).stdout == (
        "0 errors, 0 warnings, 0 notices. Looked at 1 queue, 2 tables, 0 buckets, 0 tasks as "
        f"arn:aws:iam::000000000000:root, for a {role}.\n"
    )


def test_priorities_and_fifo_queues_are_healthy(stranger: Patient) -> None:
    stranger.app.conf.task_queues = [Queue("a", max_priority=9), Queue("b.fifo")]
    stranger.provision()
    assert stranger.findings() == {}


def test_queues_that_nobody_makes(stranger: Patient) -> None:
    stranger.options(create_missing_queues=False)
    assert stranger.findings()["queue-missing"]["what"] == f"queue {stranger.name('celery')}"
    stranger.options(create_missing_queues=True)
    stranger.provision()
    stranger.options(create_missing_queues=False)
    assert stranger.findings() == {}


def test_a_queue_that_the_configuration_does_not_name(patient: Patient) -> None:
    found = patient.findings("--queue", "reports")
    assert found["queue-not-yet-made"]["what"] == f"queue {patient.name('reports')}"


def test_what_it_costs(stranger: Patient) -> None:
    stranger.app.conf.task_queues = [Queue("a", max_priority=9), Queue("b")]
    stranger.provision()
    before = Counter(request_counts())
    assert stranger.findings() == {}
    asked = Counter(request_counts()) - before
    queues, dead_letter_queues, tables = 5, 2, 2
    assert sum(asked.values()) == 6 * queues + 3 * dead_letter_queues + 9 * tables + 9
    assert asked["sqs.ListQueues"] == asked["sts.GetCallerIdentity"] == 1
    # Nothing is sent, received or made.
    assert not {"sqs.SendMessage", "sqs.ReceiveMessage", "sqs.CreateQueue"} & asked.keys()


ATTRIBUTES = {
    "queue-delays-messages": ({"DelaySeconds": "7"}, {"DelaySeconds": "0"}),
    "retention-short": ({"MessageRetentionPeriod": "60"}, {"MessageRetentionPeriod": "345600"}),
    "visibility-timeout-differs": ({"VisibilityTimeout": "30"}, {"VisibilityTimeout": "120"}),
    "message-size-of-old-queue": (
        {"MaximumMessageSize": "262144"},
        {"MaximumMessageSize": "1048576"},
    ),
    "message-size-limited": ({"MaximumMessageSize": "1024"}, {"MaximumMessageSize": "1048576"}),
    "queue-unencrypted": ({"SqsManagedSseEnabled": "false"}, {"SqsManagedSseEnabled": "true"}),
    "queue-public": (
        {
            "Policy": json.dumps(
                {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"AWS": "*"},
                            "Action": "sqs:SendMessage",
                            "Resource": "*",
                        }
                    ]
                }
            )
        },
        {"Policy": ""},
    ),
}


@pytest.mark.parametrize("kind", ATTRIBUTES)
def test_attributes_of_a_queue(patient: Patient, kind: str) -> None:
    spoiled, mended = ATTRIBUTES[kind]
    patient.set(**spoiled)
    assert patient.ids() == [kind]
    patient.set(**mended)
    assert patient.findings() == {}


def test_a_queue_without_dead_letters(stranger: Patient) -> None:
    stranger.options(max_receive_count=0)
    stranger.provision()
    stranger.options(max_receive_count=10)
    assert stranger.ids() == ["queue-without-dead-letters"]

    sqs = boto3.client("sqs")
    sqs.create_queue(
        QueueName=stranger.name("celery-dead-letter"),
        Attributes={"MessageRetentionPeriod": "1209600"},
    )
    stranger.set(RedrivePolicy=redrive_policy(stranger, 10))
    assert stranger.findings() == {}


def test_a_dead_letter_queue_that_is_gone(patient: Patient) -> None:
    sqs, url = boto3.client("sqs"), patient.url("celery-dead-letter")
    sqs.delete_queue(QueueUrl=url)
    assert patient.ids() == ["dead-letter-queue-missing"]
    sqs.create_queue(
        QueueName=patient.name("celery-dead-letter"),
        Attributes={"MessageRetentionPeriod": "1209600"},
    )
    assert patient.findings() == {}


def test_a_message_that_is_moved_at_once(patient: Patient) -> None:
    patient.set(RedrivePolicy=redrive_policy(patient, 1))
    assert patient.ids() == ["max-receive-count-one"]
    patient.set(RedrivePolicy=redrive_policy(patient, 10))
    assert patient.findings() == {}


def test_dead_letters(patient: Patient) -> None:
    sqs, url = boto3.client("sqs"), patient.url("celery-dead-letter")
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    found = patient.findings()
    assert found.keys() == {"dead-letters-waiting"}
    assert found["dead-letters-waiting"]["evidence"] == "about 1 message(s); it keeps them 14 d"
    sqs.purge_queue(QueueUrl=url)
    assert patient.findings() == {}


def test_dead_letters_that_go_before_they_are_seen(patient: Patient) -> None:
    patient.set("celery-dead-letter", MessageRetentionPeriod="345600")
    assert patient.ids() == ["dead-letter-retention-short"]
    patient.set("celery-dead-letter", MessageRetentionPeriod="1209600")
    assert patient.findings() == {}


def test_a_dead_letter_queue_that_refuses_the_queue(patient: Patient) -> None:
    deny = json.dumps({"redrivePermission": "denyAll"})
    patient.set("celery-dead-letter", RedriveAllowPolicy=deny)
    assert patient.ids() == ["redrive-not-allowed"]
    patient.set("celery-dead-letter", RedriveAllowPolicy="")
    assert patient.findings() == {}


def test_a_key_that_is_switched_off(patient: Patient) -> None:
    kms = boto3.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    patient.set(KmsMasterKeyId=key)
    assert patient.findings() == {}
    kms.disable_key(KeyId=key)
    assert patient.ids() == ["encryption-key-unusable"]
    kms.enable_key(KeyId=key)
    assert patient.findings() == {}
    patient.set(KmsMasterKeyId="2e8f1f0e-0000-4000-8000-000000000000")
    assert "is gone" in patient.findings()["encryption-key-unusable"]["evidence"]


def test_a_table_that_nobody_makes(stranger: Patient) -> None:
    stranger.app.conf.result_backend_transport_options = {"create_table": False}
    found = stranger.findings()
    assert found["table-missing"]["what"] == f"results table {stranger.here.results_table}"
    stranger.provision()
    assert stranger.findings() == {}


def test_a_table_of_something_else(stranger: Patient) -> None:
    create(stranger.here.results_table, key="task")
    assert "table-key-wrong" in stranger.ids()
    boto3.client("dynamodb").delete_table(TableName=stranger.here.results_table)
    stranger.provision()
    assert stranger.findings() == {}


def test_a_table_as_celerys_own_backend_makes_it(stranger: Patient) -> None:
    dynamodb = boto3.client("dynamodb")
    table = stranger.here.results_table
    create(table, key="id", ProvisionedThroughput=units(1), BillingMode="PROVISIONED")
    found = stranger.findings()
    assert {"table-capacity-low", "table-expiry-off"} <= found.keys()
    assert found["table-capacity-low"]["evidence"] == "1 read and 1 write units"

    dynamodb.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")
    assert "table-capacity-low" not in stranger.ids()
    stranger.provision()  # as create-table does
    assert stranger.findings() == {}


def test_another_expiry(stranger: Patient) -> None:
    table = stranger.here.results_table
    create(table, key="id")
    expire_by(table, "expires", on=True)
    assert "table-expiry-of-another-attribute" in stranger.ids()
    expire_by(table, "expires", on=False)
    stranger.provision()
    assert stranger.findings() == {}


def test_protection_that_came_too_late(patient: Patient) -> None:
    patient.options(coordination_deletion_protection=True, coordination_point_in_time_recovery=True)
    found = patient.findings()
    assert found.keys() == {"table-protection-missing"}
    assert (
        "deletion protection, point-in-time recovery"
        in (found["table-protection-missing"]["evidence"])
    )
    dynamodb = boto3.client("dynamodb")
    table = patient.coordination_table
    dynamodb.update_table(TableName=table, DeletionProtectionEnabled=True)
    dynamodb.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    assert patient.findings() == {}


def test_buckets(patient: Patient) -> None:
    s3, bucket = boto3.client("s3"), patient.name("big").lower()
    patient.options(large_message_bucket=bucket, large_message_prefix="tasks/")
    assert patient.ids() == ["bucket-missing"]

    s3.create_bucket(Bucket=bucket)
    s3.delete_public_access_block(Bucket=bucket)
    assert patient.ids() == ["bucket-public-access-not-blocked", "bucket-without-lifecycle-rule"]

    block(bucket)
    delete_after(bucket, days=3)
    found = patient.findings()
    assert found.keys() == {"bucket-lifecycle-rule-short"}
    evidence = found["bucket-lifecycle-rule-short"]["evidence"]
    assert evidence == "rule 'celery': 3 day(s), and objects are needed for 18 day(s)"

    delete_after(bucket, days=30)
    assert patient.findings() == {}


def test_a_public_bucket(patient: Patient) -> None:
    s3, bucket = boto3.client("s3"), patient.name("big").lower()
    patient.options(large_message_bucket=bucket, large_message_prefix="tasks/")
    s3.create_bucket(Bucket=bucket)
    s3.delete_public_access_block(Bucket=bucket)
    delete_after(bucket, days=30)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    document = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
    assert patient.ids() == ["bucket-public", "bucket-public-access-not-blocked"]
    block(bucket)
    assert patient.findings() == {}


def redrive_policy(patient: Patient, max_receive_count: int) -> str:
    arn = f"arn:aws:sqs:{patient.here.region}:000000000000:{patient.name('celery-dead-letter')}"
    return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": max_receive_count})


def units(count: int) -> Mapping[str, int]:
    return {"ReadCapacityUnits": count, "WriteCapacityUnits": count}


def create(table: str, *, key: str, **more: Any) -> None:
    ask: Callable[..., Any] = boto3.client("dynamodb").create_table
    ask(
        TableName=table,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        **{"BillingMode": "PAY_PER_REQUEST", **more},
    )


def expire_by(table: str, attribute: str, *, on: bool) -> None:
    boto3.client("dynamodb").update_time_to_live(
        TableName=table,
        TimeToLiveSpecification={"Enabled": on, "AttributeName": attribute},
    )


def block(bucket: str) -> None:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    boto3.client("s3").put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(names, True)
    )


def delete_after(bucket: str, *, days: int) -> None:
    rule = {
        "ID": "celery",
        "Status": "Enabled",
        "Filter": {"Prefix": "tasks/"},
        "Expiration": {"Days": days},
    }
    boto3.client("s3").put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [rule]}
    )
