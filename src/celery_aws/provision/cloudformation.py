"""What an app needs as a CloudFormation template.

Everything is retained when the stack goes, but for what a failed creation has made: it may have
tasks and results in it, and is taken away by ``provision destroy``. Facts: AWS::SQS::Queue,
AWS::SQS::QueuePolicy, AWS::DynamoDB::Table and AWS::S3::Bucket in the CloudFormation template
reference.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from celery_aws.aws.bucket_administration import PUBLIC_ACCESS_BLOCK
from celery_aws.aws.table_schema import MANAGED_KEY, creation_parameters, tag_list
from celery_aws.core.dead_letters import REDRIVE_POLICY
from celery_aws.core.queue_plan import PlannedQueue
from celery_aws.deployment import Deployment, PlannedTable
from celery_aws.names import BucketName, QueueName
from celery_aws.provision.bucket_rules import BucketRule
from celery_aws.provision.exported import (
    document,
    exported_buckets,
    exported_queues,
    exported_tables,
    identifiers,
    typed,
)
from celery_aws.provision.queue_attributes import FIFO_QUEUE, POLICY, REDRIVE_ALLOW_POLICY

_RETAINED = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}


def cloudformation(deployment: Deployment, region: str) -> dict[str, Any]:
    """Return a template for one region. No request.

    Args:
        deployment: what the app needs.
        region: a stack is in one; what is elsewhere is left out.
    """
    resources: dict[str, Any] = {
        **_queues(exported_queues(deployment, region)),
        **_tables(exported_tables(deployment, region)),
        **_buckets(exported_buckets(deployment, region)),
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Queues, tables and buckets of a Celery app (celery-aws)",
        "Resources": resources,
    }


def _queues(queues: list[PlannedQueue]) -> dict[str, Any]:
    names = [queue.name for queue in queues]
    ids = dict(zip(names, _ids("Queue", names), strict=True))
    resources: dict[str, Any] = {}
    for queue in queues:
        resources[ids[queue.name]] = _resource("AWS::SQS::Queue", _queue(queue, ids))
        policy = queue.attributes.get(POLICY)
        if policy:
            # In front: behind, it might be another queue's name.
            resources[f"PolicyOf{ids[queue.name]}"] = {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {
                    "Queues": [{"Ref": ids[queue.name]}],
                    "PolicyDocument": document(policy),
                },
            }
    return resources


def _queue(queue: PlannedQueue, ids: Mapping[QueueName, str]) -> dict[str, Any]:
    properties: dict[str, Any] = {"QueueName": queue.name}
    for name, value in queue.attributes.items():
        if name in (REDRIVE_POLICY, REDRIVE_ALLOW_POLICY):
            properties[name] = document(value)
        elif name != POLICY and not (name == FIFO_QUEUE and value != "true"):
            # FifoQueue false is refused.
            properties[name] = typed(name, value)
    if queue.dead_letter_queue is not None:
        properties[REDRIVE_POLICY] = {
            "deadLetterTargetArn": {"Fn::GetAtt": [ids[queue.dead_letter_queue], "Arn"]},
            "maxReceiveCount": queue.max_receive_count,
        }
    if queue.tags:
        properties["Tags"] = tag_list(queue.tags)
    return properties


def _tables(tables: list[PlannedTable]) -> dict[str, Any]:
    ids = _ids("Table", [table.name for table in tables])
    return {
        identifier: _resource("AWS::DynamoDB::Table", _table(table))
        for identifier, table in zip(ids, tables, strict=True)
    }


def _table(table: PlannedTable) -> dict[str, Any]:
    spec = table.spec
    properties = {"TableName": table.name, **creation_parameters(spec)}
    properties["TimeToLiveSpecification"] = {
        "AttributeName": table.purpose.ttl_attribute,
        "Enabled": True,
    }
    if spec.point_in_time_recovery:
        properties["PointInTimeRecoverySpecification"] = {"PointInTimeRecoveryEnabled": True}
    if properties.pop("SSESpecification", None) is not None:
        named = {} if spec.kms_key == MANAGED_KEY else {"KMSMasterKeyId": spec.kms_key}
        properties["SSESpecification"] = {"SSEEnabled": True, "SSEType": "KMS", **named}
    return properties


def _buckets(buckets: Mapping[BucketName, tuple[BucketRule, ...]]) -> dict[str, Any]:
    ids = _ids("Bucket", buckets)
    return {
        identifier: _resource("AWS::S3::Bucket", _bucket(name, rules))
        for identifier, (name, rules) in zip(ids, buckets.items(), strict=True)
    }


def _bucket(name: BucketName, rules: tuple[BucketRule, ...]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "BucketName": name,
        "PublicAccessBlockConfiguration": PUBLIC_ACCESS_BLOCK,
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
            ]
        },
    }
    kept = [_rule(rule) for rule in rules if rule.days is not None]
    if kept:
        properties["LifecycleConfiguration"] = {"Rules": kept}
    return properties


def _rule(rule: BucketRule) -> dict[str, Any]:
    raw = rule.raw
    return {
        "Id": rule.id,
        "Status": raw["Status"],
        "Prefix": rule.prefix,
        "ExpirationInDays": rule.days,
        "NoncurrentVersionExpiration": raw["NoncurrentVersionExpiration"],
    }


def _resource(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"Type": kind, **_RETAINED, "Properties": properties}


def _ids(kind: str, names: Iterable[str]) -> list[str]:
    return identifiers(kind, names, separator="", capitals=True)
