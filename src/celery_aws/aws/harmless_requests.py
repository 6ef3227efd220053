"""Requests that change nothing, by which it shows whether an action is allowed.

A handle that is none, a condition that nothing meets, a key that nobody has: AWS looks at the right
first. What has no such request (ReceiveMessage hides messages, SendMessage sends one) is not here.
Facts: DeleteMessage and ChangeMessageVisibility (ReceiptHandleIsInvalid), PutItem
(ConditionalCheckFailedException) in the API references of SQS and DynamoDB.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.names import QueueUrl, TableName

#: A primary key, in DynamoDB's typed form.
Key: TypeAlias = Mapping[str, Mapping[str, str]]

_NO_HANDLE: Final = "celery-aws-doctor"


def try_queue(action: str, access: Access, url: QueueUrl) -> None:
    """Ask a queue for something that it cannot do.

    Args:
        action: one of :data:`QUEUE_ACTIONS`.
        access: where and who.
        url: of the queue.

    Raises:
        AwsError: always, or nearly: only :class:`~celery_aws.errors.AccessDeniedError` tells.

    Costs one request.
    """
    with translated("sqs", action, url):
        QUEUE_ACTIONS[action](client_for("sqs", access), url)


def try_table(action: str, access: Access, table: TableName, key: Key) -> None:
    """Ask a table for something that it cannot do, or that finds nothing.

    Args:
        action: one of :data:`TABLE_ACTIONS`.
        access: where and who.
        table: its name or ARN.
        key: of an item that does not exist.

    Raises:
        AwsError: of a write always; only :class:`~celery_aws.errors.AccessDeniedError` tells.

    Costs one request of one unit.
    """
    with translated("dynamodb", action, table):
        TABLE_ACTIONS[action](client_for("dynamodb", access), table, key)


def _delete(client: Any, url: QueueUrl) -> None:
    client.delete_message(QueueUrl=url, ReceiptHandle=_NO_HANDLE)


def _change_visibility(client: Any, url: QueueUrl) -> None:
    client.change_message_visibility(QueueUrl=url, ReceiptHandle=_NO_HANDLE, VisibilityTimeout=0)


def _get(client: Any, table: TableName, key: Key) -> None:
    client.get_item(TableName=table, Key=key)


def _put(client: Any, table: TableName, key: Key) -> None:
    client.put_item(TableName=table, Item=key, **_never(key))


def _update(client: Any, table: TableName, key: Key) -> None:
    client.update_item(TableName=table, Key=key, **_never(key))


def _delete_item(client: Any, table: TableName, key: Key) -> None:
    client.delete_item(TableName=table, Key=key, **_never(key))


def _query(client: Any, table: TableName, key: Key) -> None:
    name, value = next(iter(key.items()))
    client.query(
        TableName=table,
        KeyConditionExpression="#name = :value",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":value": value},
        Limit=1,
    )


def _never(key: Key) -> dict[str, Any]:
    """Return a condition that no item meets."""
    return {
        "ConditionExpression": "attribute_exists(#name) AND attribute_not_exists(#name)",
        "ExpressionAttributeNames": {"#name": next(iter(key))},
    }


#: By AWS's name, which is that of the action too.
QUEUE_ACTIONS: Final[Mapping[str, Callable[[Any, QueueUrl], None]]] = {
    "DeleteMessage": _delete,
    "ChangeMessageVisibility": _change_visibility,
}

#: The same for tables.
TABLE_ACTIONS: Final[Mapping[str, Callable[[Any, TableName, Key], None]]] = {
    "GetItem": _get,
    "PutItem": _put,
    "UpdateItem": _update,
    "DeleteItem": _delete_item,
    "Query": _query,
}
