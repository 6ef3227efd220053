"""SQS as typed operations: what the broker may ask of AWS, and what it gets back.

:class:`QueueService` is the seam: the transport knows only this Protocol, tests run the
in-memory double of ``celery_aws.testing`` through the same contract suite.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol

from botocore.parsers import ResponseParserError

from celery_aws.aws.access import Access
from celery_aws.aws.answers import NOT_AWS, member_of
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import error_class, translated
from celery_aws.aws.wire.wire import Wire, wire_for
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.errors import AwsError, ServiceFaultError
from celery_aws.limits import SQS_WAIT_TIME_SECONDS_MAX
from celery_aws.names import AccountId, QueueName, QueueUrl, ReceiptHandle

#: Seconds until a receive has to be answered, by its wait: few values, because each is a client of
#: its own. One that does not wait is the probe of a receiver that had no answer before.
RECEIVE_TIMEOUTS = ((0, 2.0), (5, 10.0), (SQS_WAIT_TIME_SECONDS_MAX, 25.0))

#: Seconds until a delete or a change of visibility has to be answered.
SETTLE_TIMEOUT_SECONDS = 5.0

#: Seconds until a batch of messages has to be answered: up to 1 MiB goes up the line before.
SEND_BATCH_TIMEOUT_SECONDS = 10.0

#: System attributes that every receive asks for; they are free.
RECEIVED_ATTRIBUTES = ("ApproximateReceiveCount", "MessageGroupId", "SentTimestamp")


@dataclass(frozen=True, kw_only=True)
class BatchFailure:
    """An entry of a batch that AWS refused although the request succeeded."""

    receipt_handle: ReceiptHandle
    error: AwsError
    #: True if AWS says that the request was wrong: sending it again cannot help.
    sender_fault: bool


@dataclass(frozen=True, kw_only=True)
class SendFailure:
    """A message of a batch that AWS did not accept, as far as the answer tells."""

    #: Its place among the messages of the batch.
    index: int
    error: AwsError
    #: True if AWS says that the message was wrong: sending it again cannot help.
    sender_fault: bool


class QueueService(Protocol):
    """What the broker asks of SQS. Each method is one request, and raises :class:`AwsError`."""

    def queue_url(self, name: QueueName, *, owner: AccountId | None = None) -> QueueUrl:
        """Return the URL of a queue, of our own account or that of ``owner`` (GetQueueUrl)."""

    def create_queue(
        self, name: QueueName, attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> QueueUrl:
        """Create a queue, or find it if it has the same attributes (CreateQueue)."""

    def delete_queue(self, url: QueueUrl) -> None:
        """Delete a queue and its messages (DeleteQueue)."""

    def purge_queue(self, url: QueueUrl) -> None:
        """Delete all messages of a queue (PurgeQueue, once in 60 s)."""

    def queue_attributes(self, url: QueueUrl, names: Sequence[str]) -> dict[str, str]:
        """Return attributes of a queue (GetQueueAttributes)."""

    def send(self, url: QueueUrl, message: OutgoingMessage) -> str:
        """Send one message and return its id (SendMessage)."""

    def send_batch(self, url: QueueUrl, messages: Sequence[OutgoingMessage]) -> list[SendFailure]:
        """Send up to 10 messages of up to 1 MiB together (SendMessageBatch).

        Returns the messages that are not known to be accepted. It is tried once: after an error
        that does not tell (:class:`~celery_aws.errors.UnreachableError`) SQS may have all of them,
        and sending them again may send them twice.
        """

    def receive(
        self,
        url: QueueUrl,
        *,
        max_messages: int,
        wait_seconds: int,
        visibility_timeout_seconds: int | None,
    ) -> list[ReceivedMessage]:
        """Long-poll for up to ``max_messages`` of at most 10 (ReceiveMessage).

        The call ends within ``wait_seconds`` and a deadline beyond it, whatever the network
        does. ``visibility_timeout_seconds`` None takes the queue's own.
        """

    def delete_batch(self, url: QueueUrl, handles: Sequence[ReceiptHandle]) -> list[BatchFailure]:
        """Delete up to 10 messages and return the entries refused (DeleteMessageBatch)."""

    def change_visibility_batch(
        self, url: QueueUrl, timeouts: Sequence[tuple[ReceiptHandle, int]]
    ) -> list[BatchFailure]:
        """Set the visibility timeout, in seconds from now, of up to 10 received messages.

        Returns the entries refused (ChangeMessageVisibilityBatch).
        """


class SqsQueueService:
    """:class:`QueueService` on boto3; safe to share between threads and across a fork.

    It holds no client: each call takes the one of its own process.
    """

    def __init__(self, access: Access) -> None:
        self.access = access

    def queue_url(self, name: QueueName, *, owner: AccountId | None = None) -> QueueUrl:
        """Return the URL of a queue."""
        request: dict[str, Any] = {"QueueName": name}
        if owner is not None:
            request["QueueOwnerAWSAccountId"] = owner
        with translated("sqs", "GetQueueUrl", name):
            return QueueUrl(member_of(self._client().get_queue_url(**request), "QueueUrl"))

    def create_queue(
        self, name: QueueName, attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> QueueUrl:
        """Create a queue."""
        request: dict[str, Any] = {"QueueName": name, "Attributes": dict(attributes)}
        if tags:
            request["tags"] = dict(tags)
        with translated("sqs", "CreateQueue", name):
            return QueueUrl(member_of(self._client().create_queue(**request), "QueueUrl"))

    def delete_queue(self, url: QueueUrl) -> None:
        """Delete a queue."""
        with translated("sqs", "DeleteQueue", url):
            self._client().delete_queue(QueueUrl=url)

    def purge_queue(self, url: QueueUrl) -> None:
        """Delete all messages of a queue."""
        with translated("sqs", "PurgeQueue", url):
            self._client().purge_queue(QueueUrl=url)

    def queue_attributes(self, url: QueueUrl, names: Sequence[str]) -> dict[str, str]:
        """Return attributes of a queue."""
        with translated("sqs", "GetQueueAttributes", url):
            answer = self._client().get_queue_attributes(QueueUrl=url, AttributeNames=list(names))
        return dict(answer.get("Attributes", {}))

    def send(self, url: QueueUrl, message: OutgoingMessage) -> str:
        """Send one message."""
        with translated("sqs", "SendMessage", url):
            request = {"QueueUrl": url, **_send_parameters(message)}
            answer = wire_for("sqs", self.access).ask("SendMessage", url, request)
            return str(member_of(answer, "MessageId"))

    def send_batch(self, url: QueueUrl, messages: Sequence[OutgoingMessage]) -> list[SendFailure]:
        """Send up to 10 messages."""
        entries = [
            {"Id": str(index), **_send_parameters(message)}
            for index, message in enumerate(messages)
        ]
        with translated("sqs", "SendMessageBatch", url):
            wire = self._one_attempt_wire(SEND_BATCH_TIMEOUT_SECONDS)
            answer = wire.ask("SendMessageBatch", url, {"QueueUrl": url, "Entries": entries})
        return _failed_entries("SendMessageBatch", url, len(entries), answer)

    def receive(
        self,
        url: QueueUrl,
        *,
        max_messages: int,
        wait_seconds: int,
        visibility_timeout_seconds: int | None,
    ) -> list[ReceivedMessage]:
        """Long-poll for messages."""
        request: dict[str, Any] = {
            "QueueUrl": url,
            "MaxNumberOfMessages": max_messages,
            "WaitTimeSeconds": wait_seconds,
            "MessageSystemAttributeNames": list(RECEIVED_ATTRIBUTES),
            "MessageAttributeNames": ["All"],
        }
        if visibility_timeout_seconds is not None:
            request["VisibilityTimeout"] = visibility_timeout_seconds
        with translated("sqs", "ReceiveMessage", url):
            answer = self._receive_wire(wait_seconds).ask("ReceiveMessage", url, request)
            _refuse_page(answer)
        return [received_message(message) for message in answer.get("Messages", ())]

    def delete_batch(self, url: QueueUrl, handles: Sequence[ReceiptHandle]) -> list[BatchFailure]:
        """Delete up to 10 messages."""
        entries = [
            {"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(handles)
        ]
        with translated("sqs", "DeleteMessageBatch", url):
            wire = self._one_attempt_wire(SETTLE_TIMEOUT_SECONDS)
            answer = wire.ask("DeleteMessageBatch", url, {"QueueUrl": url, "Entries": entries})
        return _settlement_failures("DeleteMessageBatch", url, handles, answer)

    def change_visibility_batch(
        self, url: QueueUrl, timeouts: Sequence[tuple[ReceiptHandle, int]]
    ) -> list[BatchFailure]:
        """Set the visibility timeout of up to 10 received messages."""
        entries = [
            {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
            for number, (handle, seconds) in enumerate(timeouts)
        ]
        with translated("sqs", "ChangeMessageVisibilityBatch", url):
            wire = self._one_attempt_wire(SETTLE_TIMEOUT_SECONDS)
            request = {"QueueUrl": url, "Entries": entries}
            answer = wire.ask("ChangeMessageVisibilityBatch", url, request)
        handles = [handle for handle, _ in timeouts]
        return _settlement_failures("ChangeMessageVisibilityBatch", url, handles, answer)

    def _client(self) -> Any:
        return client_for("sqs", self.access)

    def _receive_wire(self, wait_seconds: int) -> Wire:
        # A half-open connection must end too, as soon after the poll as can be told.
        return self._one_attempt_wire(
            next(each for wait, each in RECEIVE_TIMEOUTS if wait_seconds <= wait)
        )

    def _one_attempt_wire(self, read_timeout_seconds: float) -> Wire:
        # Receiver, acker, leases and whoever sends batches have their own back-off, know what else
        # waits, and must hear of every failure.
        return wire_for("sqs", self.access, read_timeout_seconds=read_timeout_seconds, attempts=1)


def _refuse_page(answer: Mapping[str, Any]) -> None:
    # An answer without messages looks like any other without them: a proxy that answers every
    # poll with a page, at once, would be taken for an empty queue and asked again and again.
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if headers.get("content-type", "").startswith("text/html"):
        raise ResponseParserError(f"the answer is a web page: {NOT_AWS}")


def _send_parameters(message: OutgoingMessage) -> dict[str, Any]:
    parameters: dict[str, Any] = {"MessageBody": message.body}
    if message.delay_seconds is not None:
        parameters["DelaySeconds"] = message.delay_seconds
    if message.message_group_id is not None:
        parameters["MessageGroupId"] = message.message_group_id
    if message.message_deduplication_id is not None:
        parameters["MessageDeduplicationId"] = message.message_deduplication_id
    if message.message_attributes:
        parameters["MessageAttributes"] = dict(message.message_attributes)
    return parameters


def received_message(message: Mapping[str, Any]) -> ReceivedMessage:
    """Return a message of an answer to ReceiveMessage."""
    attributes = message.get("Attributes", {})
    return ReceivedMessage(
        message_id=message["MessageId"],
        body=message["Body"],
        receipt_handle=ReceiptHandle(message["ReceiptHandle"]),
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        sent_at=moment_of(attributes.get("SentTimestamp")),
        message_group_id=attributes.get("MessageGroupId"),
        message_attributes=message.get("MessageAttributes", {}),
    )


def moment_of(milliseconds: str | None) -> datetime | None:
    """Return the time that a system attribute of a message says, aware, in UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(int(milliseconds) / 1000, timezone.utc)


def _settlement_failures(
    operation: str, url: QueueUrl, handles: Sequence[ReceiptHandle], answer: Mapping[str, Any]
) -> list[BatchFailure]:
    return [
        BatchFailure(
            receipt_handle=handles[failed.index],
            error=failed.error,
            sender_fault=failed.sender_fault,
        )
        for failed in _failed_entries(operation, url, len(handles), answer)
    ]


def _failed_entries(
    operation: str, url: QueueUrl, count: int, answer: Mapping[str, Any]
) -> list[SendFailure]:
    """Return the entries of a batch that failed, by their numbers, which are their ids."""
    failures = _unanswered(operation, url, count, answer)
    for failed in answer.get("Failed", ()):
        sender_fault = bool(failed.get("SenderFault"))
        cls = error_class(failed["Code"], service="sqs", status=400 if sender_fault else 500)
        error = cls(
            failed.get("Message") or "refused",
            service="sqs",
            operation=operation,
            code=failed["Code"],
            resource=url,
        )
        failures.append(
            SendFailure(index=int(failed["Id"]), error=error, sender_fault=sender_fault)
        )
    return failures


def _unanswered(
    operation: str, url: QueueUrl, count: int, answer: Mapping[str, Any]
) -> list[SendFailure]:
    """Return the entries that the answer does not mention: nobody knows what became of them."""
    mentioned = {
        int(entry["Id"]) for key in ("Successful", "Failed") for entry in answer.get(key, ())
    }
    error = ServiceFaultError(
        "the answer does not mention an entry", service="sqs", operation=operation, resource=url
    )
    return [
        SendFailure(index=index, error=error, sender_fault=False)
        for index in range(count)
        if index not in mentioned
    ]
