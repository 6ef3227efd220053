"""What an app needs as Terraform's JSON, for a file ``celery.tf.json``.

Every resource names its region, so that no provider has to be configured for it. Facts: the pages
of the resources, the guide "Enhanced Region Support", and the changelog of 6.8.0 (where the default
of ``max_message_size`` is still 256 KiB) of the provider hashicorp/aws; "JSON Configuration Syntax"
in the documentation of Terraform (nested blocks are objects or lists of them, and text is a
template).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from celery_aws.aws.table_schema import MANAGED_KEY
from celery_aws.core.dead_letters import REDRIVE_POLICY
from celery_aws.core.queue_plan import PlannedQueue
from celery_aws.deployment import Deployment, PlannedTable
from celery_aws.limits import SQS_MESSAGE_BYTES
from celery_aws.names import BucketName, QueueName
from celery_aws.provision.bucket_rules import BucketRule
from celery_aws.provision.exported import (
    exported_buckets,
    exported_queues,
    exported_tables,
    identifiers,
    typed,
)

#: Of the provider: since 6.0 resources have a region, and since 6.8 queues take messages of 1 MiB.
PROVIDER_VERSION = ">= 6.8"

#: SQS's attributes as the provider calls them; the others it calls by their words.
_QUEUE_ARGUMENTS = {
    "ContentBasedDeduplication": "content_based_deduplication",
    "DeduplicationScope": "deduplication_scope",
    "DelaySeconds": "delay_seconds",
    "FifoQueue": "fifo_queue",
    "FifoThroughputLimit": "fifo_throughput_limit",
    "KmsDataKeyReusePeriodSeconds": "kms_data_key_reuse_period_seconds",
    "KmsMasterKeyId": "kms_master_key_id",
    "MaximumMessageSize": "max_message_size",
    "MessageRetentionPeriod": "message_retention_seconds",
    "Policy": "policy",
    "ReceiveMessageWaitTimeSeconds": "receive_wait_time_seconds",
    REDRIVE_POLICY: "redrive_policy",
    "SqsManagedSseEnabled": "sqs_managed_sse_enabled",
    "VisibilityTimeout": "visibility_timeout_seconds",
}

#: Has a resource of its own.
_REDRIVE_ALLOW_POLICY = "RedriveAllowPolicy"

Resources = dict[str, dict[str, Any]]


def terraform(deployment: Deployment) -> dict[str, Any]:
    """Return everything that a deployment needs, in all regions. No request."""
    resources: Resources = {
        **_queues(deployment),
        **_tables(exported_tables(deployment)),
        **_buckets(deployment),
    }
    return {
        "terraform": {
            "required_providers": {"aws": {"source": "hashicorp/aws", "version": PROVIDER_VERSION}}
        },
        **_keys(exported_tables(deployment)),
        "resource": {kind: found for kind, found in resources.items() if found},
    }


def _queues(deployment: Deployment) -> Resources:
    if deployment.broker is None:
        return {}
    region = deployment.broker.region
    planned = exported_queues(deployment)
    names = [queue.name for queue in planned]
    ids = dict(zip(names, _ids(names), strict=True))
    allowing = {
        ids[queue.name]: {
            "region": region,
            "queue_url": f"${{aws_sqs_queue.{ids[queue.name]}.id}}",
            "redrive_allow_policy": _literal(queue.attributes[_REDRIVE_ALLOW_POLICY]),
        }
        for queue in planned
        if queue.attributes.get(_REDRIVE_ALLOW_POLICY)
    }
    queues = {ids[queue.name]: {"region": region, **_queue(queue, ids)} for queue in planned}
    return {"aws_sqs_queue": queues, "aws_sqs_queue_redrive_allow_policy": allowing}


def _queue(queue: PlannedQueue, ids: Mapping[QueueName, str]) -> dict[str, Any]:
    # Unless told, the provider makes queues for 256 KiB, and SQS for 1 MiB.
    arguments: dict[str, Any] = {"name": queue.name, "max_message_size": SQS_MESSAGE_BYTES}
    for name, value in queue.attributes.items():
        if name in _QUEUE_ARGUMENTS:
            found = typed(name, value)
            arguments[_QUEUE_ARGUMENTS[name]] = _literal(found) if found is value else found
    if queue.dead_letter_queue is not None:
        target = f"aws_sqs_queue.{ids[queue.dead_letter_queue]}.arn"
        arguments["redrive_policy"] = (
            f"${{jsonencode({{deadLetterTargetArn = {target}, "
            f"maxReceiveCount = {queue.max_receive_count}}})}}"
        )
    if queue.tags:
        arguments["tags"] = _literals(queue.tags)
    return arguments


def _tables(tables: list[PlannedTable]) -> Resources:
    ids = _ids([table.name for table in tables])
    made = {each: _table(table, each) for each, table in zip(ids, tables, strict=True)}
    return {"aws_dynamodb_table": made}


def _keys(tables: list[PlannedTable]) -> Resources:
    """Return what looks keys up that are named by an alias or id: a table takes an ARN only."""
    ids = _ids([table.name for table in tables])
    found = {
        each: {"region": table.access.region, "key_id": _literal(table.spec.kms_key)}
        for each, table in zip(ids, tables, strict=True)
        if table.spec.kms_key is not None and _is_looked_up(table.spec.kms_key)
    }
    return {"data": {"aws_kms_key": found}} if found else {}


def _is_looked_up(kms_key: str) -> bool:
    return kms_key != MANAGED_KEY and ":key/" not in kms_key


def _encryption(kms_key: str, identifier: str) -> dict[str, Any]:
    if kms_key == MANAGED_KEY:
        return {"enabled": True}
    looked_up = f"${{data.aws_kms_key.{identifier}.arn}}"
    arn = looked_up if _is_looked_up(kms_key) else _literal(kms_key)
    return {"enabled": True, "kms_key_arn": arn}


def _table(table: PlannedTable, identifier: str) -> dict[str, Any]:
    spec = table.spec
    arguments: dict[str, Any] = {
        "region": table.access.region,
        "name": table.name,
        "billing_mode": "PAY_PER_REQUEST" if spec.on_demand else "PROVISIONED",
        "hash_key": spec.hash_key.name,
        "attribute": [{"name": each.name, "type": each.kind} for each in spec.key],
        "ttl": {"attribute_name": table.purpose.ttl_attribute, "enabled": True},
    }
    if spec.range_key is not None:
        arguments["range_key"] = spec.range_key.name
    if not spec.on_demand:
        arguments["read_capacity"] = spec.read_capacity
        arguments["write_capacity"] = spec.write_capacity
    if spec.point_in_time_recovery:
        arguments["point_in_time_recovery"] = {"enabled": True}
    if spec.deletion_protection:
        arguments["deletion_protection_enabled"] = True
    if spec.kms_key is not None:
        arguments["server_side_encryption"] = _encryption(spec.kms_key, identifier)
    if spec.tags:
        arguments["tags"] = _literals(spec.tags)
    return arguments


def _buckets(deployment: Deployment) -> Resources:
    buckets = exported_buckets(deployment)
    regions = {bucket.name: bucket.access.region for bucket in deployment.buckets}
    ids = _ids(buckets)
    found: Resources = {
        "aws_s3_bucket": {},
        "aws_s3_bucket_public_access_block": {},
        "aws_s3_bucket_server_side_encryption_configuration": {},
        "aws_s3_bucket_lifecycle_configuration": {},
    }
    for identifier, (name, rules) in zip(ids, buckets.items(), strict=True):
        for kind, arguments in _bucket(name, rules, identifier).items():
            found[kind][identifier] = {"region": regions[name], **arguments}
    return found


def _bucket(name: BucketName, rules: tuple[BucketRule, ...], identifier: str) -> Resources:
    bucket = f"${{aws_s3_bucket.{identifier}.id}}"
    algorithm = {"sse_algorithm": "AES256"}
    found: Resources = {
        "aws_s3_bucket": {"bucket": name},
        "aws_s3_bucket_public_access_block": {
            "bucket": bucket,
            "block_public_acls": True,
            "block_public_policy": True,
            "ignore_public_acls": True,
            "restrict_public_buckets": True,
        },
        "aws_s3_bucket_server_side_encryption_configuration": {
            "bucket": bucket,
            "rule": [{"apply_server_side_encryption_by_default": algorithm}],
        },
    }
    kept = [_rule(rule) for rule in rules if rule.days is not None]
    if kept:
        found["aws_s3_bucket_lifecycle_configuration"] = {"bucket": bucket, "rule": kept}
    return found


def _rule(rule: BucketRule) -> dict[str, Any]:
    raw = rule.raw
    noncurrent = raw["NoncurrentVersionExpiration"]["NoncurrentDays"]
    return {
        "id": rule.id,
        "status": raw["Status"],
        "filter": {"prefix": rule.prefix},
        "expiration": {"days": rule.days},
        "noncurrent_version_expiration": {"noncurrent_days": noncurrent},
    }


def _literal(text: str) -> str:
    """Return text that Terraform does not take for a template of its own."""
    return text.replace("${", "$${").replace("%{", "%%{")


def _literals(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: _literal(value) for key, value in tags.items()}


def _ids(names: Iterable[str]) -> list[str]:
    # Behind a word of ours: a name may begin with a digit, and an identifier may not.
    return identifiers("celery", names, separator="_", capitals=False)
