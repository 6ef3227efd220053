"""How much the cloud takes, so that nobody measures it in place of what uses it.

A client without boto3 asks over 32 connections at once: heads and bodies as boto3 writes them,
sent as they are, answers only looked at for their end. What counts is the CPU time of a request:
one over it is the capacity, whatever else the machine does meanwhile.
``python -m bench.cloud.capacity`` prints it.
"""

import json
import selectors
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from bench.cloud.cloud import Cloud
from celery_aws.local.environment import LOOPBACK

_CONNECTIONS = 32
_REQUESTS = 3_000

#: A task without arguments as stock Celery sends it.
_BODY = b64encode(bytes(932)).decode()

_QUEUE, _TABLE = "capacity", "capacity"

_HEAD = (
    "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\nX-Amz-Target: {target}\r\n"
    "Content-Type: application/x-amz-json-1.0\r\nUser-Agent: {padding}\r\nX-Amz-Date: "
    "20261122T000000Z\r\nAuthorization: {padding}\r\namz-sdk-invocation-id: {invocation}\r\n"
    "Content-Length: {length}\r\n\r\n"
)


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What the cloud has shown of one operation.

    Attributes:
        per_second: requests answered in a second of the clock.
        cpu_microseconds: of the cloud, for one request.
    """

    operation: str
    per_second: float
    cpu_microseconds: float

    @property
    def most_per_second(self) -> float:
        """What a core to itself would answer."""
        return 1_000_000 / self.cpu_microseconds


def measured(cloud: Cloud, requests: int = _REQUESTS) -> list[Capacity]:
    """Measure each operation that a benchmark asks for often; costs some seconds."""
    _ask(cloud.port, [_request("AmazonSQS.CreateQueue", QueueName=_QUEUE)])
    _ask(cloud.port, [_request("DynamoDB_20120810.CreateTable", **_table())])
    url = f"{cloud.endpoint_url}/000000000000/{_QUEUE}"
    found = []
    for operation, make in _loads(url).items():
        asked = [make() for _ in range(requests)]
        before = cloud.usage()
        _ask(cloud.port, asked)
        used = cloud.usage().since(before)
        found.append(
            Capacity(
                operation=operation,
                per_second=requests / used.seconds,
                cpu_microseconds=used.cpu_seconds / requests * 1_000_000,
            )
        )
    return found


def written(found: Sequence[Capacity]) -> Iterator[str]:
    """Return the lines of a table."""
    yield "| operation | requests/s answered | CPU us of the cloud | requests/s of a core |"
    yield "|---|---|---|---|"
    for each in found:
        yield (
            f"| {each.operation} | {each.per_second:,.0f} | {each.cpu_microseconds:.0f} "
            f"| {each.most_per_second:,.0f} |"
        )


def _loads(url: str) -> dict[str, Callable[[], bytes]]:
    numbers = count()
    message = {"MessageBody": _BODY}
    batch = [{"Id": str(number), **message} for number in range(10)]
    receive = {"QueueUrl": url, "MaxNumberOfMessages": 10, "AttributeNames": ["All"]}
    handles = [{"Id": str(n), "ReceiptHandle": f"{n}#1"} for n in range(10)]
    return {
        "SendMessageBatch of 10": lambda: _sqs("SendMessageBatch", QueueUrl=url, Entries=batch),
        "ReceiveMessage of 10": lambda: _sqs("ReceiveMessage", **receive),
        "DeleteMessageBatch of 10": lambda: _sqs(
            "DeleteMessageBatch", QueueUrl=url, Entries=handles
        ),
        "SendMessage": lambda: _sqs("SendMessage", QueueUrl=url, **message),
        "PutItem": lambda: _dynamodb("PutItem", Item=_item(next(numbers))),
        "PutItem with a condition": lambda: _dynamodb(
            "PutItem",
            Item=_item(next(numbers)),
            ReturnValues="ALL_OLD",
            ConditionExpression="(attribute_not_exists(#n0)) OR (#n1 <> :v0)",
            ExpressionAttributeNames={"#n0": "id", "#n1": "state"},
            ExpressionAttributeValues={":v0": {"S": "SUCCESS"}},
        ),
        "GetItem": lambda: _dynamodb("GetItem", Key={"id": {"S": f"{next(numbers) % _REQUESTS}"}}),
    }


def _item(number: int) -> dict[str, Any]:
    return {"id": {"S": str(number)}, "result": {"S": "x" * 200}, "ttl": {"N": "1800000000"}}


def _table() -> dict[str, Any]:
    return {
        "TableName": _TABLE,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }


def _sqs(operation: str, **parameters: Any) -> bytes:
    return _request(f"AmazonSQS.{operation}", **parameters)


def _dynamodb(operation: str, **parameters: Any) -> bytes:
    return _request(f"DynamoDB_20120810.{operation}", TableName=_TABLE, **parameters)


def _request(target: str, **parameters: Any) -> bytes:
    body = json.dumps(parameters)
    head = _HEAD.format(target=target, padding="x" * 200, invocation="0" * 36, length=len(body))
    return (head + body).encode()


def _ask(port: int, requests: Sequence[bytes]) -> None:
    """Send all requests, each connection its next one when it has its answer."""
    waiting = iter(requests)
    with selectors.DefaultSelector() as selector:
        for _, request in zip(range(_CONNECTIONS), waiting, strict=False):
            connection = socket.create_connection((LOOPBACK, port))
            connection.sendall(request)
            selector.register(connection, selectors.EVENT_READ, bytearray())
        deadline = time.monotonic() + 60
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(1):
                _take(selector, key, waiting)
        if selector.get_map():
            raise TimeoutError("the cloud does not answer")


def _take(
    selector: selectors.BaseSelector, key: selectors.SelectorKey, waiting: Iterator[bytes]
) -> None:
    connection, answer = key.fileobj, key.data
    assert isinstance(connection, socket.socket)
    answer += connection.recv(1 << 20)
    if not _is_whole(answer):
        return
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(answer.decode())
    answer.clear()
    request = next(waiting, None)
    if request is None:
        selector.unregister(connection)
        connection.close()
    else:
        connection.sendall(request)


def _is_whole(answer: bytearray) -> bool:
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    begin = answer.find(b"Content-Length: ") + 16
    return len(answer) >= end + 4 + int(answer[begin : answer.find(b"\r", begin)])


def main() -> None:
    """Print the table."""
    with Cloud() as cloud:
        print("\n".join(written(measured(cloud))))


if __name__ == "__main__":
    main()
