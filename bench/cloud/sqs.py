"""SQS's operations in its JSON protocol, as far as celery-aws and kombu's own transport ask.

Facts: the SQS API reference; boto3's and kombu 5.7's requests are in this protocol
(kombu/asynchronous/aws/sqs/connection.py, ``_create_json_request``).
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from bench.cloud.answers import Answer, Cancel, RefusedError, Reply, answered
from bench.cloud.fifo_queue import FifoQueue
from bench.cloud.messages import (
    Message,
    attributes_md5,
    body_md5,
    sequence_number,
    size_bytes,
)
from bench.cloud.queues import Poll, Queue
from bench.cloud.tally import Tally
from celery_aws.core.billing import billed_requests

_ACCOUNT = "000000000000"
_REGION = "us-east-1"
_BATCH_ENTRIES = 10

Parameters = dict[str, Any]


class Sqs:
    """The queues of one account.

    Args:
        tally: counts what is asked.
        url: of the endpoint.
        loop: that everything happens in.
    """

    def __init__(self, tally: Tally, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self._tally = tally
        self._url = f"{url}/{_ACCOUNT}"
        self._loop = loop
        self._queues: dict[str, Queue] = {}
        operations: Sequence[Callable[[Parameters], Any]] = (
            self.create_queue,
            self.get_queue_url,
            self.list_queues,
            self.delete_queue,
            self.purge_queue,
            self.get_queue_attributes,
            self.set_queue_attributes,
            self.tag_queue,
            self.untag_queue,
            self.list_queue_tags,
            self.send_message,
            self.send_message_batch,
            self.delete_message,
            self.delete_message_batch,
            self.change_message_visibility,
            self.change_message_visibility_batch,
        )
        self._operations = {_aws_name(each.__name__): each for each in operations}

    def handle(self, operation: str, body: bytes, reply: Reply) -> Cancel | None:
        """Answer a request, now or later; return what makes a wait end early."""
        parameters: Parameters = json.loads(body or b"{}")
        name = _queue_name(parameters)
        self._tally.add(f"sqs.{operation}", name, 0.0)
        try:
            if operation == "ReceiveMessage":
                return self._receive(parameters, name, reply)
            answer = self._operations[operation](parameters)
        except RefusedError as refused:
            self._tally.add_units(f"sqs.{operation}", name, 1)
            reply(refused.answer())
            return None
        units = billed_requests(_payload_bytes(parameters))
        self._tally.add_units(f"sqs.{operation}", name, units)
        reply(answered(answer))
        return None

    def knows(self, operation: str) -> bool:
        """Tell whether there is such an operation."""
        return operation == "ReceiveMessage" or operation in self._operations

    def create_queue(self, asked: Parameters) -> Any:
        """Create a queue, or return the one of this name, whatever its attributes are."""
        name = asked["QueueName"]
        attributes = {key: str(value) for key, value in asked.get("Attributes", {}).items()}
        kind = FifoQueue if name.endswith(".fifo") else Queue
        if name not in self._queues:
            self._queues[name] = kind(
                name=name, attributes=attributes, tags=asked.get("tags", {}), loop=self._loop
            )
        return {"QueueUrl": f"{self._url}/{name}"}

    def get_queue_url(self, asked: Parameters) -> Any:
        """Return the URL of a queue."""
        return {"QueueUrl": f"{self._url}/{self._queue(asked).name}"}

    def list_queues(self, asked: Parameters) -> Any:
        """Return the URLs of all queues with a prefix."""
        prefix = asked.get("QueueNamePrefix", "")
        found = [f"{self._url}/{name}" for name in sorted(self._queues) if name.startswith(prefix)]
        return {"QueueUrls": found} if found else {}

    def delete_queue(self, asked: Parameters) -> Any:
        """Delete a queue; polls that wait for it bring nothing."""
        queue = self._queue(asked)
        del self._queues[queue.name]
        for poll in queue.close():
            poll.answer(())
        return {}

    def purge_queue(self, asked: Parameters) -> Any:
        """Delete all messages of a queue."""
        self._queue(asked).purge()
        return {}

    def get_queue_attributes(self, asked: Parameters) -> Any:
        """Return attributes of a queue."""
        queue, names = self._queue(asked), asked.get("AttributeNames", ())
        visible, hidden = queue.depth
        found = {
            "VisibilityTimeout": "30",
            "MaximumMessageSize": "1048576",
            "MessageRetentionPeriod": "345600",
            "DelaySeconds": "0",
            "ReceiveMessageWaitTimeSeconds": "0",
            **queue.attributes,
            "QueueArn": f"arn:aws:sqs:{_REGION}:{_ACCOUNT}:{queue.name}",
            "CreatedTimestamp": str(queue.created),
            "LastModifiedTimestamp": str(queue.created),
            "ApproximateNumberOfMessages": str(visible),
            "ApproximateNumberOfMessagesNotVisible": str(hidden),
            "ApproximateNumberOfMessagesDelayed": "0",
        }
        wanted = {name: found[name] for name in found if "All" in names or name in names}
        return {"Attributes": wanted} if wanted else {}

    def set_queue_attributes(self, asked: Parameters) -> Any:
        """Change attributes of a queue."""
        self._queue(asked).attributes.update(asked["Attributes"])
        return {}

    def tag_queue(self, asked: Parameters) -> Any:
        """Add tags to a queue."""
        self._queue(asked).tags.update(asked["Tags"])
        return {}

    def untag_queue(self, asked: Parameters) -> Any:
        """Remove tags from a queue."""
        tags = self._queue(asked).tags
        for key in asked["TagKeys"]:
            tags.pop(key, None)
        return {}

    def list_queue_tags(self, asked: Parameters) -> Any:
        """Return the tags of a queue."""
        return {"Tags": self._queue(asked).tags}

    def send_message(self, asked: Parameters) -> Any:
        """Take a message."""
        queue = self._queue(asked)
        sent = self._add(queue, asked)
        queue.serve()
        return sent

    def send_message_batch(self, asked: Parameters) -> Any:
        """Take up to ten messages."""
        queue, entries = self._queue(asked), _entries(asked)
        sent = [{"Id": entry["Id"], **self._add(queue, entry)} for entry in entries]
        queue.serve()
        return {"Successful": sent}

    def delete_message(self, asked: Parameters) -> Any:
        """Delete a message."""
        self._queue(asked).delete(asked["ReceiptHandle"])
        return {}

    def delete_message_batch(self, asked: Parameters) -> Any:
        """Delete up to ten messages."""
        queue = self._queue(asked)
        return _each(asked, lambda entry: queue.delete(entry["ReceiptHandle"]))

    def change_message_visibility(self, asked: Parameters) -> Any:
        """Hide a received message for so long from now on."""
        seconds = float(asked["VisibilityTimeout"])
        self._queue(asked).change_visibility(asked["ReceiptHandle"], seconds)
        return {}

    def change_message_visibility_batch(self, asked: Parameters) -> Any:
        """Hide up to ten received messages for so long from now on."""
        change = self._queue(asked).change_visibility
        return _each(
            asked,
            lambda entry: change(entry["ReceiptHandle"], float(entry["VisibilityTimeout"])),
        )

    def _receive(self, asked: Parameters, name: str, reply: Reply) -> Cancel | None:
        queue = self._queue(asked)
        most = int(asked.get("MaxNumberOfMessages", 1))
        visibility = float(asked.get("VisibilityTimeout", queue.visibility_seconds))

        def answer(found: Sequence[Message]) -> None:
            size = sum(each.size_bytes for each in found)
            self._tally.add_units("sqs.ReceiveMessage", name, billed_requests(size))
            reply(_received(found, asked))

        found = queue.take(most, visibility)
        wait_seconds = float(
            asked.get("WaitTimeSeconds", queue.attributes.get("ReceiveMessageWaitTimeSeconds", 0))
        )
        if found or wait_seconds <= 0:
            answer(found)
            return None
        poll = Poll(most, visibility, answer)
        queue.wait(poll, wait_seconds)
        return partial(queue.forget, poll)

    def _queue(self, asked: Parameters) -> Queue:
        queue = self._queues.get(_queue_name(asked))
        if queue is None:
            raise RefusedError(
                "AWS.SimpleQueueService.NonExistentQueue",
                "The specified queue does not exist.",
            )
        return queue

    def _add(self, queue: Queue, asked: Parameters) -> dict[str, str]:
        body, attributes = asked["MessageBody"], asked.get("MessageAttributes", {})
        message = Message(
            identifier=str(uuid4()),
            written_body=json.dumps(body),
            body_md5=body_md5(body),
            attributes=attributes,
            size_bytes=size_bytes(body, attributes),
            sent_milliseconds=int(time.time() * 1000),
            group=asked.get("MessageGroupId"),
            deduplication=asked.get("MessageDeduplicationId"),
        )
        delay = asked.get("DelaySeconds", queue.attributes.get("DelaySeconds", 0))
        message = queue.add(message, float(delay))
        sent = {"MessageId": message.identifier, "MD5OfMessageBody": message.body_md5}
        if attributes:
            sent["MD5OfMessageAttributes"] = attributes_md5(attributes)
        if message.sequence is not None:
            sent["SequenceNumber"] = sequence_number(message.sequence)
        return sent


def _each(asked: Parameters, act: Callable[[Parameters], None]) -> Any:
    failed = [failure for entry in _entries(asked) if (failure := _failure(entry, act))]
    names = {failure["Id"] for failure in failed}
    done = [{"Id": entry["Id"]} for entry in asked["Entries"] if entry["Id"] not in names]
    return {"Successful": done, "Failed": failed}


def _failure(entry: Parameters, act: Callable[[Parameters], None]) -> Parameters | None:
    try:
        act(entry)
    except RefusedError as refused:
        code, message = refused.code, str(refused)
        return {"Id": entry["Id"], "SenderFault": True, "Code": code, "Message": message}
    return None


def _entries(asked: Parameters) -> list[Parameters]:
    entries: list[Parameters] = asked["Entries"]
    if len(entries) > _BATCH_ENTRIES:
        raise RefusedError(
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "more than ten entries"
        )
    if not entries:
        raise RefusedError("AWS.SimpleQueueService.EmptyBatchRequest", "no entries")
    return entries


def _received(found: Sequence[Message], asked: Parameters) -> Answer:
    if not found:
        return Answer(b"{}")
    system = {*asked.get("MessageSystemAttributeNames", ()), *asked.get("AttributeNames", ())}
    attributes = asked.get("MessageAttributeNames", ())
    written = ",".join(each.written(system, attributes) for each in found)
    return Answer(f'{{"Messages":[{written}]}}'.encode())


def _payload_bytes(asked: Parameters) -> int:
    sent = asked.get("Entries", ()) if "MessageBody" not in asked else (asked,)
    return sum(
        size_bytes(each["MessageBody"], each.get("MessageAttributes", {}))
        for each in sent
        if "MessageBody" in each
    )


def _queue_name(asked: Parameters) -> str:
    if "QueueUrl" in asked:
        return str(asked["QueueUrl"]).rpartition("/")[2]
    return str(asked.get("QueueName", ""))


def _aws_name(method: str) -> str:
    return "".join(word.capitalize() for word in method.split("_"))
