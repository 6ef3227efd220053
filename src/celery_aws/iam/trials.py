"""Calls that change nothing, each of which tells whether its action is allowed.

Reads ask for what is not there; writes have a condition that cannot be met, or a receipt that
nobody has. Not tried: ReceiveMessage (it hides messages and counts as a receive), SendMessage,
CreateQueue, PutObject, and DeleteObject (it leaves a marker in a bucket with versions).
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from celery_aws.aws.access import Access
from celery_aws.aws.dynamodb import DynamoTableService
from celery_aws.aws.s3 import S3ObjectService
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.core.attributes import Item, text
from celery_aws.core.conditions import Present
from celery_aws.core.queue_plan import PlannedQueue
from celery_aws.deployment import PlannedBucket, PlannedTable
from celery_aws.errors import (
    AccessDeniedError,
    AwsError,
    ConditionFailedError,
    ObjectNotFoundError,
    QueueNotFoundError,
    StaleReceiptError,
)
from celery_aws.iam.checking import ActionCheck, Verdict
from celery_aws.iam.document import Statement
from celery_aws.iam.keys import LEADING_KEYS
from celery_aws.iam.resources import Resources
from celery_aws.names import AccountId, ObjectKey, QueueName, QueueUrl, ReceiptHandle

#: Of a service's answer that the action was allowed: it looked for what is not there.
_ALLOWED = (ConditionFailedError, ObjectNotFoundError, StaleReceiptError)

Call = Callable[[], Any]


class HarmlessTrials:
    """Tries actions on the resources of one app.

    Args:
        found: the resources.
    """

    def __init__(self, found: Resources) -> None:
        self._found = found
        self._token = f"celery-aws-check-{uuid4().hex}"
        deployment = found.deployment
        self._queues = {found.queue(each): each for each in deployment.queues}
        self._tables = {found.table(each): each for each in deployment.tables}
        self._buckets = {found.bucket(each): each for each in deployment.buckets}

    def try_action(self, action: str, resource: str, statement: Statement) -> ActionCheck:
        """Return what a call of the action says, or that there is no such call. One request."""
        call = self._call(action, resource, statement)
        if call is None:
            verdict, evidence = Verdict.UNKNOWN, "no call of it changes nothing"
        else:
            verdict, evidence = _verdict(call)
        return ActionCheck(action=action, resource=resource, verdict=verdict, evidence=evidence)

    def _call(self, action: str, resource: str, statement: Statement) -> Call | None:
        service, _, name = action.partition(":")
        if service == "sqs" and resource in self._found.inboxes:
            return self._call_on_inbox(name, resource)
        if service == "sqs" and resource in self._queues:
            return _call_on_queue(name, self._queues[resource], self._found)
        if service == "dynamodb" and resource in self._tables:
            table = self._tables[resource]
            return _call_on_table(name, table, self._key(table, statement))
        if service == "s3":
            return self._call_on_bucket(name, resource)
        return None

    def _call_on_inbox(self, name: str, resource: str) -> Call | None:
        broker = self._found.deployment.broker
        if name != "GetQueueUrl" or broker is None:
            return None
        inbox = QueueName(resource.rpartition(":")[2].replace("*", "0").replace("?", "0"))
        service = SqsQueueService(broker)

        def call() -> None:
            try:
                service.queue_url(inbox)
            except QueueNotFoundError:
                return  # so it may be looked for

        return call

    def _call_on_bucket(self, name: str, resource: str) -> Call | None:
        if name not in ("GetObject", "ListBucket"):
            return None
        bucket = self._bucket(resource)
        if bucket is None:
            return None
        service, key = S3ObjectService(bucket.access), ObjectKey(f"{bucket.prefix}{self._token}")

        def call() -> None:
            try:
                service.get(bucket.name, key)
            except AccessDeniedError as error:
                # Of what is not there S3 says so too if it may not be listed.
                raise _UnsureError(str(error)) from error

        return call

    def _bucket(self, resource: str) -> PlannedBucket | None:
        found = (each for arn, each in self._buckets.items() if resource.partition("/")[0] == arn)
        return next(found, None)

    def _key(self, table: PlannedTable, statement: Statement) -> Item:
        patterns = [
            pattern
            for keys in statement.conditions.values()
            for pattern in keys.get(LEADING_KEYS, ())
        ]
        # Rather one of which this may be the only item.
        patterns = [each for each in patterns if "*" in each] or patterns or ["*"]
        values = (patterns[0].replace("*", self._token), self._token)
        return {key.name: text(value) for key, value in zip(table.spec.key, values, strict=False)}


class _UnsureError(Exception):
    """An answer that means one thing or another."""


def _verdict(call: Call) -> tuple[Verdict, str]:
    try:
        call()
    except AccessDeniedError as error:
        return Verdict.DENIED, str(error)
    except _ALLOWED:
        return Verdict.ALLOWED, "tried"
    except (AwsError, _UnsureError) as error:
        return Verdict.UNKNOWN, str(error)
    return Verdict.ALLOWED, "tried"


def _call_on_queue(name: str, queue: PlannedQueue, found: Resources) -> Call | None:
    if found.deployment.broker is None:
        return None
    access = found.deployment.access_of(queue)
    service = SqsQueueService(access)
    owner = AccountId(found.queue(queue).split(":")[4])
    url = queue.url or _url(access, owner, queue.name)
    receipt = ReceiptHandle("celery-aws-check")
    calls: dict[str, Call] = {
        "GetQueueUrl": lambda: service.queue_url(queue.name, owner=owner),
        "GetQueueAttributes": lambda: service.queue_attributes(url, ["QueueArn"]),
        "DeleteMessage": lambda: service.delete_batch(url, [receipt]),
        "ChangeMessageVisibility": lambda: service.change_visibility_batch(url, [(receipt, 0)]),
    }
    return calls.get(name)


def _call_on_table(name: str, table: PlannedTable, key: Item) -> Call | None:
    service, at = DynamoTableService(table.access), table.name
    hash_key = table.spec.hash_key.name
    partition = (hash_key, key[hash_key])
    there = Present(hash_key)
    calls: dict[str, Call] = {
        "GetItem": lambda: service.get_item(at, key, consistent=False),
        "BatchGetItem": lambda: service.batch_get(at, [key], consistent=False),
        "Query": lambda: service.query(at, partition=partition, consistent=False, limit=1),
        "PutItem": lambda: service.put_item(at, key, condition=there),
        "DeleteItem": lambda: service.delete_item(at, key, condition=there),
        "UpdateItem": lambda: service.update_item(
            at, key, add={}, put={"checked": text("")}, condition=there
        ),
        "BatchWriteItem": lambda: service.write_batch(at, deletes=[key]),
        "DescribeTable": lambda: service.describe_table(at),
        "DescribeTimeToLive": lambda: service.describe_ttl(at),
    }
    return calls.get(name)


def _url(access: Access, owner: AccountId, name: QueueName) -> QueueUrl:
    suffix = ".cn" if access.region.startswith("cn-") else ""
    endpoint = access.endpoint_url or f"https://sqs.{access.region}.amazonaws.com{suffix}"
    return QueueUrl(f"{endpoint.rstrip('/')}/{owner}/{name}")
