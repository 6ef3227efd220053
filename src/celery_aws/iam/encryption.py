"""Customer-managed KMS keys: used by SQS, DynamoDB and S3 for who uses these, and by nobody else.

Keys that AWS owns, or manages in the account, take no permission, but for a look at what the latter
are. Facts: "Key management" in the SQS developer guide, "How Amazon DynamoDB uses AWS KMS" in the
KMS developer guide, and there "kms:ViaService", "kms:ResourceAliases" and "Default key policy".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from celery_aws.deployment import PlannedTable
from celery_aws.iam.allowing import allowing
from celery_aws.iam.document import Conditions, Statement
from celery_aws.iam.resources import Resources

#: Of keys that AWS manages.
_MANAGED = "alias/aws/"

_ALIAS = "alias/"

#: Messages are encrypted by a key of their own, which comes from KMS with the first.
SQS_USE = "Decrypt GenerateDataKey"
#: A table has one key, which DynamoDB decrypts for who asks.
DYNAMODB_USE = "Decrypt"
S3_USE = "Decrypt GenerateDataKey"
#: Of who makes the table: DynamoDB goes on to use the key by a grant.
DYNAMODB_CREATION = "CreateGrant Decrypt DescribeKey Encrypt GenerateDataKey"


@dataclass(frozen=True, kw_only=True)
class KeyUse:
    """A key, and what a service does with it.

    Attributes:
        sid: of its statement.
        key: alias, id or ARN.
        service: that uses it for who asks: ``sqs``, ``dynamodb`` or ``s3``; None is nobody.
        region: of the service.
        actions: of KMS.
    """

    sid: str
    key: str
    service: str | None
    region: str
    actions: str


def queue_key(found: Resources) -> Iterator[KeyUse]:
    """Yield the use of the key of the queues, inboxes included, if they have one."""
    options, broker = found.deployment.options, found.deployment.broker
    if options is None or broker is None:
        return
    key = options.sqs_creation_attributes.get("KmsMasterKeyId")
    if key is not None:
        yield KeyUse(
            sid="UseKeyOfQueues", key=key, service="sqs", region=broker.region, actions=SQS_USE
        )


def table_keys(tables: Iterable[PlannedTable | None], actions: str) -> Iterator[KeyUse]:
    """Yield the uses of the keys of tables that have one."""
    for table in tables:
        if table is not None and table.spec.kms_key is not None:
            yield KeyUse(
                sid=f"UseKeyOf{table.kind.capitalize()}",
                key=table.spec.kms_key,
                service="dynamodb",
                region=table.access.region,
                actions=actions,
            )


def looked_up(uses: Iterable[KeyUse]) -> Iterator[KeyUse]:
    """Yield uses of keys with a look at what each is: tables have its ARN, whatever named it."""
    for use in uses:
        yield use
        sid = use.sid.replace("Use", "LookUp")
        yield replace(use, sid=sid, service=None, actions="DescribeKey")


def object_keys(found: Resources, key: str | None) -> Iterator[KeyUse]:
    """Yield the use of the key of the objects in S3, in each region that has a bucket."""
    regions = dict.fromkeys(each.access.region for each in found.deployment.buckets)
    for number, region in enumerate(regions if key is not None else (), 1):
        yield KeyUse(
            sid="UseKeyOfObjects" if number == 1 else f"UseKeyOfObjects{number}",
            key=key or "",
            service="s3",
            region=region,
            actions=S3_USE,
        )


def key_statements(found: Resources, uses: Iterable[KeyUse]) -> Iterator[Statement]:
    """Yield the statements for uses of keys; to use a key that AWS manages takes none."""
    for use in uses:
        if _MANAGED in use.key and use.service is not None:
            continue
        arn, alias = _arn(found, use)
        yield from allowing(use.sid, "kms", use.actions, (arn,), {**_via(found, use), **alias})


def _via(found: Resources, use: KeyUse) -> Conditions:
    if use.service is None:
        return {}
    suffix = ".cn" if found.identity.partition == "aws-cn" else ""
    endpoint = f"{use.service}.{use.region}.amazonaws.com{suffix}"
    return {"StringEquals": {"kms:ViaService": (endpoint,)}}


def _arn(found: Resources, use: KeyUse) -> tuple[str, Conditions]:
    """Return the ARN of a key; of one that is known by its alias, any with that alias."""
    if use.key.startswith("arn:") and f":{_ALIAS}" not in use.key:
        return use.key, {}
    identity = found.identity
    head, _, name = use.key.rpartition(":")
    head = head or f"arn:{identity.partition}:kms:{use.region}:{identity.account}"
    if name.startswith(_ALIAS):
        aliases = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": (name,)}}
        return f"{head}:key/*", aliases
    return f"{head}:key/{name}", {}
