"""A local AWS whose queues and tables can be looked into as they are, and a proxy in front of it.

What is delayed cannot be received, and what is received is not as it was. The local AWS writes
its state down when it stops, so it is stopped, read and started again, on the same port.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from celery_aws.local import LocalAws
from celery_aws.local.environment import ACCESS_KEY_ID, SECRET_ACCESS_KEY, client_environment
from celery_aws.testing import FaultProxy
from tests.servers import free_ports

PREFIX = "shop-"
TABLE = "shop-results"
REGION = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the account holds.

    Attributes:
        queues: messages by queue, as SQS has them.
        parked: ids of tasks in the schedule.
    """

    queues: Mapping[str, list[Mapping[str, Any]]]
    parked: list[str]

    def ids(self) -> list[str]:
        """Return the task id of each message, those of the schedule included."""
        held = [task_id_of(each) for messages in self.queues.values() for each in messages]
        return [*held, *self.parked]

    def delayed(self, now: float) -> list[str]:
        """Return the ids of those that no one can receive yet."""
        return [
            task_id_of(each)
            for messages in self.queues.values()
            for each in messages
            if each["visible_at"] > now
        ]


@dataclass(kw_only=True)
class LocalAccount:
    """The server, and what is in front of it.

    Attributes:
        proxy: counts requests.
        variables: for processes that go through the proxy.
    """

    folder: Path
    aws: LocalAws
    proxy: FaultProxy
    variables: dict[str, str] = field(repr=False)

    def look(self) -> Stored:
        """Stop the server, read what it holds, and start it again."""
        self.aws.stop()
        state = self.folder / "state"
        queues = _contents(state / "sqs.json", "queues")
        tables = _contents(state / "dynamodb.json", "tables")
        self.aws.start()
        items = [item for table in tables for item in _items(table)]
        return Stored(
            queues={queue["name"].removeprefix(PREFIX): queue["messages"] for queue in queues},
            parked=[each["task_id"]["S"] for each in items if _is_parked(each)],
        )

    def waiting(self) -> int:
        """Return how many messages are visible or in flight; those that are delayed are not."""
        urls = self._sqs.list_queues(QueueNamePrefix=PREFIX).get("QueueUrls", ())
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return sum(
            int(count)
            for url in urls
            for count in self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)[
                "Attributes"
            ].values()
        )

    @cached_property
    def _sqs(self) -> Any:
        keys = {"aws_access_key_id": ACCESS_KEY_ID, "aws_secret_access_key": SECRET_ACCESS_KEY}
        return boto3.client("sqs", endpoint_url=self.aws.endpoint_url, region_name=REGION, **keys)

    def forget(self) -> None:
        """Delete everything."""
        self.aws.reset()


@contextmanager
def local_account(folder: Path) -> Iterator[LocalAccount]:
    """Run a local AWS and a proxy beside the block.

    Args:
        folder: for its state.
    """
    [port] = free_ports(1)
    aws = LocalAws(port=port, data_dir=folder)
    with aws, FaultProxy(aws.endpoint_url) as proxy:
        urls = client_environment({}, port=proxy.port, region=REGION, table=TABLE)
        # They would be stronger than any configuration, the old one's too.
        del urls["CELERY_BROKER_URL"], urls["CELERY_RESULT_BACKEND"]
        yield LocalAccount(
            folder=folder,
            aws=aws,
            proxy=proxy,
            variables={
                **urls,
                "AWS_SQS_QUEUE_NAME_PREFIX": PREFIX,
                "AWS_SQS_WAIT_TIME_SECONDS": "1",
                "AWS_SQS_VISIBILITY_TIMEOUT": "30",
                "AWS_DYNAMODB_TABLE_NAME": TABLE,
            },
        )


def task_id_of(message: Mapping[str, Any]) -> str:
    """Return the task id in a message as SQS has it."""
    envelope = json.loads(message["body"])
    return str(envelope["headers"].get("id") or envelope["properties"]["correlation_id"])


def _contents(path: Path, what: str) -> list[Any]:
    if not path.exists():
        return []
    found = json.loads(path.read_text())["payload"][what]
    return list(found.get("data", found).values())


def _items(table: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for of_partition in table["items"].values():
        yield from of_partition.values()


def _is_parked(item: Mapping[str, Any]) -> bool:
    return str(item.get("pk", {}).get("S", "")).startswith("schedule#") and "task_id" in item
